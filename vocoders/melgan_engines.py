"""Ways to compute one and the same MelGAN, by name.

=================  ==============================================================================
``official``       as published: weight norm on, plain torch layers
``eager``          the same with weight norm folded into the weights
``channels_last``  transposed convolutions as two taps, `vocoders.melgan_polyphase`
``gemm``           matrix products over tiles that stay in the cache, `vocoders.melgan_gemm`
``compile``        ``channels_last`` through ``torch.compile``, which takes its time when loading
``auto``           the fastest without a wait: ``gemm`` on a CPU, ``eager`` on a GPU
=================  ==============================================================================

All agree within 1e-5 of full scale; which one ran is part of a sample's identity all the same,
because the last bits differ.
"""

import warnings
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from evalsuite.errors import ConfigError
from vocoders.first_line import first_line
from vocoders.melgan_gemm import GemmGenerator
from vocoders.melgan_generator import Generator
from vocoders.melgan_polyphase import PolyphaseGenerator, compile_generator, why_not_compiled

__all__ = ["ENGINES", "Engine", "EngineName", "choose_engine", "make_engine"]

EngineName = Literal["auto", "official", "eager", "channels_last", "gemm", "compile"]
ENGINES: tuple[str, ...] = get_args(EngineName)

#: From a mel (n_mels, frames) to (outputs, hop * frames).
Engine = Callable[[Tensor], Tensor]

_TRIAL_FRAMES = 64


def choose_engine(name: EngineName, device: torch.device) -> EngineName:
    """Resolve ``auto``, and check that the engine runs on the device.

    Raises
    ------
    ConfigError for ``gemm`` on a GPU, whose own libraries do that better.
    """
    if name == "auto":
        return "gemm" if device.type == "cpu" else "eager"
    if name == "gemm" and device.type != "cpu":
        raise ConfigError(
            f"engine 'gemm' on device {device.type!r}",
            wanted="a CPU: its tiles are cut for a CPU's cache",
            do="leave the engine out, or choose eager, channels_last or compile",
        )
    return name


def make_engine(generator: Generator, name: EngineName) -> tuple[Engine, EngineName]:
    """Make an engine around a generator that is on its device.

    Parameters
    ----------
    generator : weight norm removed, except for ``official``.
    name : resolved by `choose_engine`.

    Returns
    -------
    The engine and the name of what it became: ``compile`` becomes ``channels_last``, with a
    warning, where no program can be compiled.
    """
    if name == "gemm":
        return GemmGenerator(generator), name
    if name == "channels_last":
        return PolyphaseGenerator(generator), name
    if name == "compile":
        return _compiled(generator)
    return lambda mel: generator(mel[None])[0], name


def _compiled(generator: Generator) -> tuple[Engine, EngineName]:
    network = PolyphaseGenerator(generator)
    reason = why_not_compiled()
    if not reason:
        try:
            return _tried(compile_generator, network, generator.config.n_mels), "compile"
        except Exception as error:
            # Whatever a compiler may complain of, the same network runs without it.
            reason = f"torch.compile failed: {first_line(error)}"
    warnings.warn(f"{reason}; running engine=channels_last", RuntimeWarning, stacklevel=2)
    return network, "channels_last"


def _tried(
    compiler: Callable[[PolyphaseGenerator], Engine], network: PolyphaseGenerator, n_mels: int
) -> Engine:
    """Compile, and run once, so that the wait and any error come now and not at the first mel."""
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's, of its own parts
        engine = compiler(network)
        engine(torch.zeros(n_mels, _TRIAL_FRAMES, device=next(network.parameters()).device))
    return engine
