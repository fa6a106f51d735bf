"""Which WaveNet: the two published revisions and their settings."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Literal, cast

from evalsuite.errors import CheckpointError, ConfigError, UnknownName

__all__ = ["PRESETS", "OutputKind", "Revision", "WaveNetConfig", "config_of_card", "preset"]

Revision = Literal["2092a64", "master"]
OutputKind = Literal["logistics", "gaussian", "mulaw"]

#: ln 1e-14: below it, revision 2092a64 lets no scale of a logistic fall when sampling.
_LEAST_LOG_SCALE_2092A64 = -32.23619130191664


@dataclass(frozen=True)
class WaveNetConfig:
    """Architecture of a WaveNet vocoder; the defaults are the 24.7 million of Kumar et al. 2019.

    Source: r9y9/wavenet_vocoder, commits 2092a64 (preset ljspeech_mixture) and a35fff7 (master).

    Parameters
    ----------
    revision : the published code it follows. ``2092a64`` up-samples by transposed convolutions
        and halves the power of the running skip sum at each layer; ``master`` stretches and
        smooths, adds all skips and scales them once, and has no bias in front of the conditioning.
    output : what the last layer parametrises: a mixture of logistics, one Gaussian, or the 256
        classes of the mu-law, whose network hears one-hot vectors.
    n_stacks : the dilations 1, 2, 4, ... start again so many times; divides `n_layers`.
    gate_channels : of both halves together.
    n_mixtures : logistics in the mixture.
    upsample_scales : per stage; their product is the hop.
    least_log_scale : sampled logistics are no narrower; None = no bound.
    weight_norm : False for a network stored without it.

    Raises
    ------
    ConfigError if the settings contradict each other.
    """

    revision: Revision = "2092a64"
    output: OutputKind = "logistics"
    n_layers: int = 24
    n_stacks: int = 4
    residual_channels: int = 512
    gate_channels: int = 512
    skip_channels: int = 256
    n_mixtures: int = 10
    n_mels: int = 80
    upsample_scales: tuple[int, ...] = (4, 4, 4, 4)
    least_log_scale: float | None = _LEAST_LOG_SCALE_2092A64
    weight_norm: bool = True

    def __post_init__(self) -> None:
        if self.n_stacks < 1 or self.n_layers < 1 or self.n_layers % self.n_stacks:
            raise ConfigError(
                f"{self.n_layers} layers in {self.n_stacks} stacks",
                wanted="a number of stacks that divides the number of layers",
                do="correct layers or stacks",
            )
        if self.gate_channels % 2:
            raise ConfigError(
                f"gate_channels is {self.gate_channels}",
                wanted="an even number: tanh takes one half, the sigmoid the other",
                do="correct it",
            )

    @property
    def dilations(self) -> tuple[int, ...]:
        """Of each layer, in samples.

        >>> WaveNetConfig().dilations[:8]
        (1, 2, 4, 8, 16, 32, 1, 2)
        """
        per_stack = self.n_layers // self.n_stacks
        return tuple(2 ** (layer % per_stack) for layer in range(self.n_layers))

    @property
    def receptive_field(self) -> int:
        """Samples that one output depends on.

        >>> WaveNetConfig().receptive_field
        505
        """
        return 2 * sum(self.dilations) + 1

    @property
    def in_channels(self) -> int:
        """One sample, or a one-hot vector."""
        return 256 if self.output == "mulaw" else 1

    @property
    def out_channels(self) -> int:
        """Numbers that describe the next sample."""
        return {"logistics": 3 * self.n_mixtures, "gaussian": 2, "mulaw": 256}[self.output]

    def as_card(self) -> dict[str, int | float | bool | str]:
        """Settings as a weights card holds them; the inverse of `config_of_card`."""
        settings = asdict(self) | {"upsample_scales": " ".join(map(str, self.upsample_scales))}
        if self.least_log_scale is None:
            del settings["least_log_scale"]
        return settings


def config_of_card(settings: Mapping[str, Any]) -> WaveNetConfig:
    """Read the settings of a weights card.

    Raises
    ------
    CheckpointError if one is missing or unknown, ConfigError if they contradict each other.

    >>> config_of_card(WaveNetConfig().as_card()) == WaveNetConfig()
    True
    """
    fields = dict(settings) | {
        "upsample_scales": tuple(map(int, str(settings.get("upsample_scales", "")).split())),
        "least_log_scale": settings.get("least_log_scale"),
    }
    if wrong := set(fields) ^ set(asdict(WaveNetConfig())):
        raise CheckpointError(
            f"the weights card has other settings than a WaveNet's: {', '.join(sorted(wrong))}",
            wanted="a card written by this version",
            do="import the checkpoint again: evalsuite weights import",
        )
    return WaveNetConfig(**cast("dict[str, Any]", fields))


_MASTER = WaveNetConfig(
    revision="master",
    residual_channels=128,
    gate_channels=256,
    skip_channels=128,
    least_log_scale=None,
)


def _changed(config: WaveNetConfig, **settings: Any) -> WaveNetConfig:
    return WaveNetConfig(**(asdict(config) | settings))


#: The published ones, and ``tiny`` for trial runs and tests.
PRESETS: Mapping[str, WaveNetConfig] = MappingProxyType(
    {
        "ljspeech_mixture": WaveNetConfig(),
        "mol": _MASTER,
        "gaussian": _changed(_MASTER, output="gaussian"),
        "mulaw256": _changed(_MASTER, output="mulaw", n_layers=30, n_stacks=3),
        "tiny": WaveNetConfig(
            n_layers=4, n_stacks=2, residual_channels=16, gate_channels=32, skip_channels=16
        ),
    }
)


def preset(name: str) -> WaveNetConfig:
    """Return a preset by name.

    Raises
    ------
    UnknownName with the nearest and all known names.
    """
    if name not in PRESETS:
        near = get_close_matches(name, PRESETS, n=1)
        raise UnknownName(
            f"unknown WaveNet preset {name!r}",
            wanted=f"one of {', '.join(PRESETS)}",
            do=f"write {near[0]!r}" if near else "choose one of them",
        )
    return PRESETS[name]
