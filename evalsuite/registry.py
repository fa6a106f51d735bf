"""Vocoders by name: the built-in table, plug-ins, what is missing, and how one is made.

*A vocoder of your own* is one file::

    # my_package/buzz.py
    import numpy as np
    from evalsuite.contract import require_own_features
    from evalsuite.mel import extract_mel, mel_spec
    from evalsuite.registry import Setup
    from evalsuite.types import Features, Waveform
    from evalsuite.vocoder import Vocoder, VocoderInfo

    class Buzz(Vocoder):
        '''A pulse train at one pitch.'''

        def __init__(self, pitch_hz: float) -> None:
            self.info = VocoderInfo("buzz", "dsp", 22050, mel_spec("melgan"), deterministic=True,
                                    config={"pitch_hz": pitch_hz})

        @classmethod
        def create(cls, setup: Setup, *, pitch_hz: float = 100.0) -> "Buzz":
            return cls(pitch_hz)

        def analyse(self, wave):
            return extract_mel(wave, mel_spec("melgan"))

        def generate(self, batch, *, seed):
            return [self._one(features) for features in batch]

        def _one(self, features: Features) -> Waveform:
            require_own_features(self.info, features)
            samples = np.zeros(features.n_samples, np.float32)
            samples[:: round(22050 / self.info.config["pitch_hz"])] = 0.5
            return Waveform(samples, 22050, features.id)

and one line: in the table below, or in the plug-in's ``pyproject.toml``::

    [project.entry-points."evalsuite.vocoders"]
    buzz = "my_package.buzz:Buzz"

The keyword-only parameters of ``create`` are the options of the system text
(``buzz?pitch_hz=80``): their annotations (``str``, ``int``, ``float``, ``bool``, ``Literal[...]``,
each also ``| None``) are checked before ``create`` runs. ``create`` raises `Unavailable` if weights
are missing. Run `evalsuite.conformance.check_vocoder` on it.
"""

import importlib
import importlib.metadata
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any, Protocol, cast

from evalsuite.errors import CheckpointError, ConfigError, Unavailable, UnknownName
from evalsuite.files import sha256_json
from evalsuite.options import Option, check_options, options_of
from evalsuite.system_text import OptionValue, SystemRequest, parse_system, parse_systems
from evalsuite.vocoder import Vocoder, VocoderInfo
from evalsuite.weights import find_weights

__all__ = [
    "Availability",
    "Setup",
    "SystemRequest",
    "availability",
    "create_vocoder",
    "fingerprint",
    "parse_system",
    "parse_systems",
    "vocoder_names",
    "vocoder_options",
    "vocoder_summary",
]

ENTRY_POINT_GROUP = "evalsuite.vocoders"


@dataclass(frozen=True)
class Setup:
    """What every vocoder is told when it is made; each takes what concerns it.

    Parameters
    ----------
    argument : what follows the colon of the system text; None if nothing does.
    device : ``cpu``, ``cuda`` or ``auto``; a vocoder without a network ignores it.
    untrained : random weights are allowed where no trained ones were named.
    sample_rate : hertz of the run; a vocoder that has no choice keeps its own.
    """

    argument: str | None = None
    device: str = "cpu"
    untrained: bool = False
    sample_rate: int = 22050


@dataclass(frozen=True)
class BuiltIn:
    """A line of the table: where the class is, and what it needs, known without importing it."""

    target: str
    summary: str
    extra: str = ""
    needs_weights: bool = False


BUILT_IN: Mapping[str, BuiltIn] = {
    "original": BuiltIn("vocoders.original:Original", "the recording itself"),
    "anchor": BuiltIn("vocoders.anchor:Anchor", "the recording, low-passed at 3.5 kHz"),
    "recorded": BuiltIn("vocoders.recorded:Recorded", "a folder of finished files"),
    "griffin_lim": BuiltIn("vocoders.griffin_lim:GriffinLim", "Griffin-Lim from a mel"),
    "world": BuiltIn("vocoders.world:World", "WORLD from F0, envelope, aperiodicity", "world"),
    "melgan": BuiltIn("vocoders.melgan:MelGAN", "MelGAN generator", "neural", needs_weights=True),
    "waveglow": BuiltIn(
        "vocoders.waveglow:WaveGlow", "WaveGlow, 12 flows of 256 channels", "neural", True
    ),
    "wavenet": BuiltIn(
        "vocoders.wavenet:WaveNetVocoder", "WaveNet, autoregressive", "neural", True
    ),
    "clarinet": BuiltIn(
        "vocoders.clarinet:ClariNet",
        "ClariNet student, 6 flows (parameters with its teacher)",
        "neural",
        True,
    ),
    "clarinet_teacher": BuiltIn(
        "vocoders.clarinet:ClariNetTeacher", "ClariNet teacher, autoregressive", "neural", True
    ),
    "hifigan": BuiltIn("vocoders.hifigan:HiFiGAN", "HiFi-GAN generator V1, V2, V3", "neural", True),
    "parallel_wavegan": BuiltIn(
        "vocoders.parallel_wavegan:ParallelWaveGAN", "Parallel WaveGAN generator", "neural", True
    ),
    "mb_melgan": BuiltIn(
        "vocoders.mb_melgan:MBMelGAN", "Multi-band MelGAN with its filter bank", "neural", True
    ),
    "bigvgan": BuiltIn(
        "vocoders.bigvgan:BigVGAN", "BigVGAN by its authors' package", "bigvgan", True
    ),
    "onnx": BuiltIn(
        "vocoders.onnx_vocoder:OnnxVocoder", "an exported network through ONNX Runtime", "onnx"
    ),
    "dummy": BuiltIn("evalsuite.dummy:Dummy", "a bank of sines, for tests and trial runs"),
}
#: Modules an optional extra of pyproject.toml brings.
_MODULES_OF_EXTRA = {
    "world": ("pyworld",),
    "neural": ("torch", "safetensors"),
    "bigvgan": ("torch", "safetensors", "bigvgan"),
    "onnx": ("onnxruntime",),
}


class _VocoderClass(Protocol):
    def create(self, setup: Setup, **options: OptionValue | None) -> Vocoder: ...


@dataclass(frozen=True)
class Availability:
    """Whether a vocoder can run here, and if not, why and what to do.

    Parameters
    ----------
    reason, how : empty if it is available.
    """

    name: str
    available: bool
    reason: str = ""
    how: str = ""


def vocoder_names() -> list[str]:
    """All registered names: the built-in ones in table order, then plug-ins by name.

    Raises
    ------
    ConfigError if a plug-in takes a name that is already taken.
    """
    return [*BUILT_IN, *sorted(_plug_ins())]


def vocoder_summary(name: str) -> str:
    """Describe a vocoder in a few words; for a plug-in, say which package brings it."""
    _require_known(name)
    return BUILT_IN[name].summary if name in BUILT_IN else _brought_by(_plug_ins()[name])


def availability(name: str) -> Availability:
    """Say whether a vocoder can run here. Built-in vocoders are not imported for it.

    Raises
    ------
    UnknownName if `name` is not registered.
    """
    _require_known(name)
    if name not in BUILT_IN:
        return _plug_in_availability(name, _plug_ins()[name])
    entry = BUILT_IN[name]
    if missing := _missing_modules(entry.extra):
        how = f"pip install 'evalsuite[{entry.extra}]'"
        return Availability(name, False, f"{', '.join(missing)} not installed", how)
    if entry.needs_weights:
        try:
            find_weights(name, None)
        except (Unavailable, CheckpointError) as error:
            return Availability(name, False, error.got, error.do)
    return Availability(name, True)


def vocoder_options(name: str) -> list[Option]:
    """List the options of a vocoder; this imports it.

    Raises
    ------
    UnknownName, Unavailable
    """
    return options_of(_load_class(name).create)


def create_vocoder(
    request: SystemRequest,
    *,
    device: str = "cpu",
    untrained: bool = False,
    sample_rate: int = 22050,
) -> Vocoder:
    """Make the vocoder a request asks for.

    Raises
    ------
    UnknownName if it is not registered, Unavailable if something it needs is missing, ConfigError
    if an option is unknown or has an impossible value.
    """
    vocoder_class = _load_class(request.vocoder)
    options = check_options(request.vocoder, vocoder_class.create, request.options)
    setup = Setup(request.argument, device, untrained, sample_rate)
    return vocoder_class.create(setup, **options)


def fingerprint(info: VocoderInfo) -> str:
    """SHA-256 over everything in `info` that changes the output: the key of cached samples.

    The licence, the source and the parameter counts do not.
    """
    facts = asdict(info) | {"spec": info.spec.digest, "config": dict(info.config)}
    for unrelated in ("licence", "source", "n_parameters", "n_parameters_with_weight_norm"):
        del facts[unrelated]
    return sha256_json(facts)


def _require_known(name: str) -> None:
    names = vocoder_names()
    if name in names:
        return
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? See" if near else "see"
    raise UnknownName(
        f"there is no vocoder {name!r}",
        wanted="one of " + ", ".join(sorted(names)),
        do=f"{hint} evalsuite vocoders",
    )


def _load_class(name: str) -> _VocoderClass:
    _require_known(name)
    try:
        if name in BUILT_IN:
            module, _, attribute = BUILT_IN[name].target.partition(":")
            loaded: Any = getattr(importlib.import_module(module), attribute)
        else:
            loaded = _plug_ins()[name].load()
    except Exception as error:
        state = availability(name)
        if state.available:
            raise
        raise Unavailable(
            f"vocoder {name!r} cannot run here: {state.reason}",
            wanted="everything it needs installed",
            do=state.how,
        ) from error
    if not inspect.ismethod(getattr(loaded, "create", None)):
        raise ConfigError(
            f"vocoder {name!r} names {loaded!r}, which has no classmethod create()",
            wanted="a class made as the module text of evalsuite.registry shows",
            do="add: @classmethod def create(cls, setup, *, option=default)",
        )
    return cast("_VocoderClass", loaded)


def _missing_modules(extra: str) -> list[str]:
    modules = _MODULES_OF_EXTRA.get(extra, ())
    return [module for module in modules if importlib.util.find_spec(module) is None]


def _plug_ins() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the plug-ins by name. They are found, not imported."""
    found: dict[str, importlib.metadata.EntryPoint] = {}
    for entry in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        taken_by = BUILT_IN[entry.name].target if entry.name in BUILT_IN else None
        if entry.name in found and found[entry.name].value != entry.value:
            taken_by = found[entry.name].value
        if taken_by is not None:
            raise ConfigError(
                f"two vocoders are called {entry.name!r}: {taken_by} and {entry.value} "
                f"({_brought_by(entry)})",
                wanted="one vocoder per name",
                do="rename the plug-in's entry point or uninstall its package",
            )
        found[entry.name] = entry
    return found


def _plug_in_availability(name: str, entry: importlib.metadata.EntryPoint) -> Availability:
    try:
        entry.load()
    except Exception as error:
        reason = f"{entry.value} fails to import: {type(error).__name__}: {error}"
        return Availability(name, False, reason, f"repair or remove it ({_brought_by(entry)})")
    return Availability(name, True)


def _brought_by(entry: importlib.metadata.EntryPoint) -> str:
    return f"plug-in of {entry.dist.name} {entry.dist.version}" if entry.dist else "plug-in"
