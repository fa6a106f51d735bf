"""The contract between a network and its published checkpoints.

The module of a vocoder's class has (or imports) a constant ``CHECKPOINT = CheckpointLayout(NAME,
...)``; that and its line in `evalsuite.registry` make ``evalsuite weights import FILE --vocoder
NAME`` work.

*One architecture, names as published* (MelGAN's first form)::

    CHECKPOINT = CheckpointLayout("melgan", mel="melgan", build_empty=_build_empty)

where ``_build_empty(weight_norm)`` gives the network on torch's meta device and its settings.

*Anything else*: a function looks at the names and the settings and says what it found::

    def recognise(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
        if "WN.0.cond_layers.0.weight_v" in tensors:
            return _old_layout(tensors)
        if "WN.0.cond_layer.weight_v" in tensors:
            return Recognised(tensors, network, {"n_channels": 256}, mel="waveglow")
        raise not_recognised("waveglow", tensors, known="NVIDIA's glow.py, old and new")

    CHECKPOINT = CheckpointLayout("waveglow", recognise=recognise)

What the function is given:

- ``tensors``: the generator's, out of whatever container, without ``module.``, weight norm spelt
  ``weight_g`` and ``weight_v`` (`has_weight_norm` tells whether there is any); float32.
- ``settings``: what ``--config`` (JSON, YAML, ``args.yml``) says, else what the container carries
  beside the weights (NVIDIA's ``config``, seungwonpark's ``hp_str``), else nothing. Settings that
  contradict the tensors or the mel convention are for the function to refuse; read them with
  `vocoders.published_settings`, for they may hold anything.

What it gives back is a `Recognised`. It must be pure: source tensors are passed on, not changed.
Every source tensor must turn up again: as the same object under a new name, named in ``derived``
(merged, reshaped), or named in ``ignored`` with a reason; any other is reported as unexpected.
Own names are those of ``to_official_names(network.state_dict())``; missing, unexpected and
misshapen ones are listed by `vocoders.tensor_accounts`, so the function need not check shapes.

*Loading*::

    card, tensors = find_trained(name, setup)            # vocoders.network_vocoder
    statistics = take_statistics(tensors)                # BandStatistics or None; see `Recognised`
    network.load_state_dict(to_module_names(tensors))
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from torch import Tensor, nn

from evalsuite.errors import CheckpointError
from vocoders.first_line import first_line
from vocoders.tensor_names import has_weight_norm, name_samples

__all__ = ["CheckpointLayout", "Recognised", "Recognition", "Setting", "not_recognised"]

Setting = int | float | bool | str
BuildEmpty = Callable[[bool], tuple[nn.Module, dict[str, Setting]]]


@dataclass(frozen=True, eq=False)
class Recognised:
    """A published checkpoint, understood.

    Parameters
    ----------
    tensors : under the network's own names, weight norm spelt ``weight_g`` and ``weight_v``.
    network : on torch's meta device; says which tensors there must be.
    settings : architecture and start facts that the vocoder needs to build the network again.
    mel : name of the convention the network was trained on.
    layout : whose names the source has, in a word; empty = only the spelling of weight norm.
    derived : own name -> source names it was made from, for tensors that are not passed on as
        they are.
    ignored : source name -> why it is not needed.
    needs_statistics : mean and deviation of each band come in a file of their own (``--stats``).
    """

    tensors: Mapping[str, Tensor]
    network: nn.Module
    settings: Mapping[str, Setting]
    mel: str
    layout: str = ""
    derived: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)
    needs_statistics: bool = False


# What building a network out of sizes that no network has may raise, in Python or in torch.
_IMPOSSIBLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)

Recognition = Callable[[Mapping[str, Tensor], Mapping[str, Any]], Recognised]


@dataclass(frozen=True)
class CheckpointLayout:
    """How published checkpoints of one vocoder are recognised; the module text tells the rest.

    Parameters
    ----------
    vocoder : registered name.
    mel : convention of the only architecture; with `build_empty`.
    build_empty : weight norm or not -> network on torch's meta device, and its settings.
    recognise : instead of both, for several architectures, names or conventions.
    """

    vocoder: str
    mel: str = ""
    build_empty: BuildEmpty | None = None
    recognise: Recognition | None = None

    def __post_init__(self) -> None:
        if (self.build_empty is None) == (self.recognise is None):
            raise TypeError("a layout has either build_empty and mel, or recognise")

    def recognised(self, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
        """Say what a checkpoint is.

        Raises
        ------
        CheckpointError if the names are of no known layout, or names, shapes and settings make no
        network; ConfigError if the settings contradict each other.
        """
        try:
            found = self._found(tensors, settings)
        except _IMPOSSIBLE as error:
            raise CheckpointError(
                f"its tensors and settings make no {self.vocoder!r}: {first_line(error)}",
                wanted="tensors in their published shapes, with the configuration beside them",
                do="download both again, and check that they belong together",
            ) from error
        _require_card_settings(self.vocoder, found.settings)
        return found

    def _found(self, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
        if self.recognise is not None:
            return self.recognise(tensors, settings)
        network, own = cast("BuildEmpty", self.build_empty)(has_weight_norm(tensors))
        return Recognised(tensors, network, own, self.mel)


def _require_card_settings(vocoder: str, settings: Mapping[str, object]) -> None:
    """Refuse what a weights card cannot hold, before anything is written."""
    for name, value in settings.items():
        plain = isinstance(value, int | float | str)
        if not plain or (isinstance(value, float) and not math.isfinite(value)):
            raise CheckpointError(
                f"the settings of {vocoder!r} have {name} {value!r}, which no weights card holds",
                wanted="finite numbers, truth values and text",
                do="check the configuration; the layout should refuse it itself (vocoders.layouts)",
            )


def not_recognised(vocoder: str, tensors: Mapping[str, Tensor], *, known: str) -> CheckpointError:
    """Make the error for names of no known layout; the caller raises it.

    Parameters
    ----------
    known : the layouts that would have been understood, for the message.
    """
    return CheckpointError(
        f"its tensors are called {name_samples(tensors)}, which is no known layout of {vocoder!r}",
        wanted=known,
        do="check --vocoder, and that it is the generator's checkpoint",
    )
