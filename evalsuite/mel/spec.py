"""One mel convention, stated in full."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from evalsuite.errors import ConfigError
from evalsuite.files import sha256_json

__all__ = ["MelSpec"]


@dataclass(frozen=True)
class MelSpec:
    """Every setting that changes the values of a mel spectrogram.

    With magnitude ``|X| = sqrt(re^2 + im^2 + magnitude_epsilon)`` and filter bank ``M``::

        mel    = log_scale * log(max(M |X|^power, floor)) + log_offset
        values = clip(affine_scale * mel + affine_offset, *clip)

    Parameters
    ----------
    name : for messages; the only field that is not part of the digest.
    sample_rate : hertz.
    n_fft, win_length, hop_length : samples. A shorter window stands in the middle of the frame.
    window : ``hann`` is periodic; ``half_sine`` is ``sin(pi (n + 1/2) / win) sqrt(2 hop / win)``.
    framing : for T samples,
        ``centred`` reflects n_fft / 2 samples on both sides: floor(T / hop) + 1 frames;
        ``hop_aligned`` reflects (n_fft - hop) / 2 samples: floor(T / hop) frames;
        ``lws`` puts n_fft - hop zeros on the left, and on the right as many and up to a multiple
        of hop: ceil(T / hop) + n_fft / hop - 1 frames.
    f_min, f_max : band edges, hertz.
    n_mels : number of bands.
    mel_scale : ``slaney`` (linear below 1 kHz) or ``htk`` (2595 log10(1 + f / 700)).
    mel_norm : ``slaney`` gives every filter unit area over hertz; None leaves unit peaks.
    power : 1 for magnitudes, 2 for energies, into the filter bank.
    magnitude_epsilon : added under the square root.
    log_base : ``e`` or ``10``.
    log_scale, log_offset, floor, affine_scale, affine_offset : as in the formula.
    clip : lowest and highest value; None leaves them alone.
    input_peak : the waveform is scaled to this peak before analysis; None leaves it as recorded.
        Silence has no peak and is left alone.

    Raises
    ------
    ConfigError if the settings contradict each other.
    """

    name: str
    sample_rate: int = 22050
    n_fft: int = 1024
    win_length: int = 1024
    hop_length: int = 256
    window: Literal["hann", "half_sine"] = "hann"
    framing: Literal["centred", "hop_aligned", "lws"] = "centred"
    f_min: float = 0.0
    f_max: float = 8000.0
    n_mels: int = 80
    mel_scale: Literal["slaney", "htk"] = "slaney"
    mel_norm: Literal["slaney"] | None = "slaney"
    power: Literal[1, 2] = 1
    magnitude_epsilon: float = 0.0
    log_base: Literal["e", "10"] = "e"
    log_scale: float = 1.0
    log_offset: float = 0.0
    floor: float = 1e-5
    affine_scale: float = 1.0
    affine_offset: float = 0.0
    clip: tuple[float, float] | None = None
    input_peak: float | None = None

    def __post_init__(self) -> None:
        self.validate()

    @property
    def digest(self) -> str:
        """Hex SHA-256 over every field except the name."""
        settings = dataclasses.asdict(self)
        del settings["name"]
        # 8000 and 8000.0 are the same band edge, and JSON would tell them apart.
        return sha256_json({name: _as_float(value) for name, value in settings.items()})

    def validate(self) -> None:
        """Check the settings against each other.

        Raises
        ------
        ConfigError that names the setting.
        """
        rules = (
            (
                0 < self.hop_length <= self.win_length <= self.n_fft,
                f"hop {self.hop_length}, window {self.win_length}, n_fft {self.n_fft}",
                "0 < hop_length <= win_length <= n_fft",
            ),
            (
                self.n_fft % 2 == 0 and self._framing_is_whole(),
                f"n_fft {self.n_fft} with hop {self.hop_length} and framing {self.framing}",
                "an even n_fft; for hop_aligned an even hop; for lws a hop that divides n_fft",
            ),
            (
                0 <= self.f_min < self.f_max <= self.sample_rate / 2,
                f"bands from {self.f_min} to {self.f_max} Hz at {self.sample_rate} Hz",
                "0 <= f_min < f_max <= half the sample rate",
            ),
            (self.n_mels > 0, f"{self.n_mels} mel bands", "at least one"),
            (self.floor > 0, f"floor {self.floor}", "a positive floor under the logarithm"),
            (
                self.input_peak is None or 0 < self.input_peak <= 1,
                f"input_peak {self.input_peak}",
                "a peak in (0, 1], or none",
            ),
            (
                self.clip is None or self.clip[0] < self.clip[1],
                f"clip {self.clip}",
                "the lowest value before the highest",
            ),
        )
        for holds, got, wanted in rules:
            if not holds:
                raise ConfigError(
                    f"mel convention {self.name}: {got}", wanted=wanted, do="correct the setting"
                )

    def _framing_is_whole(self) -> bool:
        if self.framing == "hop_aligned":
            return self.hop_length % 2 == 0
        return self.framing == "centred" or self.n_fft % self.hop_length == 0


def _as_float(value: object) -> object:
    if isinstance(value, tuple):
        return [_as_float(part) for part in value]
    return float(value) if isinstance(value, int) else value
