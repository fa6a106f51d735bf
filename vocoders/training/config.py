"""What every training is told, whatever it trains; models of their own add sections.

A configuration is a YAML file (`vocoders.training.config_file`). Its ``step`` chooses what is
trained (`vocoders.training.step.STEP_KINDS`), and with it the model that checks the file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import pydantic
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from vocoders.training.config_file import (
    StrictModel,
    config_names,
    merge_config,
    validate_config,
)
from vocoders.training.step import StepKind, find_step_kind

__all__ = [
    "DataConfig",
    "OptimiserConfig",
    "OtherRates",
    "Precision",
    "RunConfig",
    "TrainingConfig",
    "changed_settings",
    "config_names",
    "load_config",
]

OtherRates = Literal["downsample", "resample", "error"]
Precision = Literal["float32", "bfloat16", "auto"]


class DataConfig(StrictModel):
    """What is cut from the recordings.

    Parameters
    ----------
    sample_rate : hertz.
    segment_samples : length of a crop; the release uses 8192.
    batch_size : crops per step, of all processes together.
    peak : each recording is scaled to this peak as a whole (release: 0.95).
    amplitude : a crop is then scaled by a factor drawn from this range (release: 0.3 to 1).
    valid_clips : held out for validation, if the corpus names no split itself.
    short_clips : ``pad`` fills clips shorter than a segment with zeros at the end, as the release
        does, and refuses a corpus that has no other clips; ``error`` refuses any.
    other_rates : ``downsample`` converts recordings of a higher rate once and refuses those of a
        lower one, from which a network would learn that the upper bands are empty; ``resample``
        converts both; ``error`` refuses both.
    """

    sample_rate: PositiveInt = 22050
    segment_samples: PositiveInt = 8192
    batch_size: PositiveInt = 16
    peak: float = Field(default=0.95, gt=0, le=1)
    amplitude: tuple[float, float] = (0.3, 1.0)
    valid_clips: PositiveInt = 16
    short_clips: Literal["pad", "error"] = "pad"
    other_rates: OtherRates = "downsample"

    @pydantic.model_validator(mode="after")
    def _range_is_one(self) -> "DataConfig":
        low, high = self.amplitude
        if not 0 < low <= high <= 1:
            raise ValueError("amplitude: two factors with 0 < low <= high <= 1")
        return self


class OptimiserConfig(StrictModel):
    """Adam and its guards.

    Parameters
    ----------
    learning_rate : of all networks (paper and release: 1e-4, constant).
    betas : decay of the moments (release: 0.5, 0.9).
    max_gradient_norm : limit of the gradient's Euclidean norm; null for none, as in the release.
    max_skipped_in_a_row : updates whose gradient is not finite are skipped; after so many in a
        row the training ends with an error.
    """

    learning_rate: PositiveFloat = 1e-4
    betas: tuple[float, float] = (0.5, 0.9)
    max_gradient_norm: PositiveFloat | None = None
    max_skipped_in_a_row: PositiveInt = 10


class RunConfig(StrictModel):
    """How the training runs; nothing in here changes what is learnt, beyond rounding.

    Parameters
    ----------
    log_interval, valid_interval, checkpoint_interval : in steps; 0 = only at the end.
    keep_checkpoints : newest ones that stay.
    valid_max_clips : held-out clips that are measured.
    samples : write the validation clips as a run folder when the training stops.
    precision : ``bfloat16`` computes networks in mixed precision (losses, mels and weights stay
        float32); ``auto`` does so on GPUs that can.
    tf32 : let GPUs round float32 products to 10 bits of mantissa.
    compile : translate the networks with torch.compile (needs a compiler, and minutes at start).
    tensorboard : also write TensorBoard events (extra ``train``).
    """

    log_interval: PositiveInt = 100
    valid_interval: NonNegativeInt = 5000
    checkpoint_interval: NonNegativeInt = 5000
    keep_checkpoints: int = Field(default=2, ge=2)
    valid_max_clips: PositiveInt = 16
    samples: bool = True
    precision: Precision = "float32"
    tf32: bool = True
    compile: bool = False
    tensorboard: bool = False


class TrainingConfig(StrictModel):
    """The sections every training has; subclasses add the networks and losses.

    Parameters
    ----------
    name : of the variant, for cards and logs.
    step : what is trained.
    seed : of initial weights, split, order and crops.
    steps : the training is finished after so many.
    """

    name: str
    step: str
    seed: NonNegativeInt = 0
    steps: PositiveInt
    data: DataConfig = DataConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    run: RunConfig = RunConfig()


def load_config(name: str | Path, overrides: Sequence[str] = ()) -> tuple[TrainingConfig, StepKind]:
    """Read a configuration and find what it trains.

    Parameters
    ----------
    name : of a packaged configuration, or the path of a ``.yaml`` file.
    overrides : ``key.key=value``.

    Raises
    ------
    UnknownName, ConfigError

    >>> load_config("melgan", ["data.batch_size=4"])[0].data.batch_size
    4
    """
    values = merge_config(str(name), overrides)
    kind = find_step_kind(str(values.get("step", "melgan")))
    config = validate_config(values, kind.config, name=str(name))
    return cast("TrainingConfig", config), kind


def changed_settings(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Settings that differ, by dotted name: (old, new); a missing one counts as None.

    >>> changed_settings({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}})
    {'a.b': (1, 3)}
    """
    before, after = _flatten(old), _flatten(new)
    names = sorted(before.keys() | after.keys())
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
