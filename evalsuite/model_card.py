"""What is known of trained weights: the model card beside ``weights.json``.

A weights card (`evalsuite.weights`) says how to load weights; a model card says whether to use
them: what they heard, how long they learnt, how they do on recordings they never heard, and what
is wrong with them.

*Reads and writes* ``FOLDER/model_card.json``.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from evalsuite.errors import CheckpointError
from evalsuite.files import write_json

__all__ = [
    "BAR",
    "MODEL_CARD_NAME",
    "HeldOutScore",
    "ModelCard",
    "read_model_card",
    "write_model_card",
]

MODEL_CARD_NAME = "model_card.json"

#: Metrics on which weights must beat Griffin-Lim before they are used unasked.
BAR = ("log_mel_l1", "m_stft")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeldOutScore(_Record):
    """Mean of one metric over recordings that were not trained on.

    Parameters
    ----------
    metric : its name, such as ``log_mel_l1``.
    group : of clips: ``all``, a speaker that other recordings of were trained on, or
        ``unseen speakers``.
    mean : over the clips for which it is defined.
    griffin_lim : the same mean for Griffin-Lim, the bar that trained weights must pass.
    n_clips : for which both are defined.
    higher_is_better : direction of the metric.
    """

    metric: str
    group: str = "all"
    mean: FiniteFloat
    griffin_lim: FiniteFloat
    n_clips: int = Field(ge=1)
    higher_is_better: bool

    @property
    def beats_griffin_lim(self) -> bool:
        """Whether the weights do better than Griffin-Lim."""
        difference = self.mean - self.griffin_lim
        return difference > 0 if self.higher_is_better else difference < 0


class ModelCard(_Record):
    """Facts about one set of trained weights.

    Parameters
    ----------
    schema_version : of this card.
    name : of the configuration that was trained.
    weights_sha256 : of the tensors this card is about; must equal the weights card's.
    precision : in which they are stored.
    n_parameters : as stored, weight norm included if it was kept.
    n_bytes : of the tensors file.
    largest_rounding_error : over tensors, relative Euclidean norm of what storing took away.
    output_snr_db : level of the output over the change that storing made to it, on the held-out
        clips; None if nothing was rounded or measured.
    steps : optimiser steps taken.
    losses : last training losses by name; empty if the checkpoint does not hold them.
    data : each source of recordings, with its licence, in words.
    config : the training configuration in full.
    mel, mel_digest : convention of the input; equal to the weights card's.
    held_out : empty means never measured.
    held_out_clips : ids of the recordings measured.
    not_measured : what was not, and why.
    known_faults : in words. Empty means that nobody has looked, never that there are none.
    licence : of the weights.
    """

    schema_version: Literal[1] = 1
    name: str
    weights_sha256: Sha256
    precision: Literal["float16", "float32"]
    n_parameters: int
    n_bytes: int
    largest_rounding_error: FiniteFloat
    output_snr_db: FiniteFloat | None = None
    steps: int = Field(ge=0)
    losses: dict[str, FiniteFloat] = {}
    data: tuple[str, ...]
    config: dict[str, object]
    mel: str
    mel_digest: str
    held_out: tuple[HeldOutScore, ...] = ()
    held_out_clips: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()
    known_faults: tuple[str, ...] = ()
    licence: str

    @property
    def may_be_default(self) -> bool:
        """Whether the weights beat Griffin-Lim on `BAR` over all held-out clips."""
        passed = {s.metric for s in self.held_out if s.group == "all" and s.beats_griffin_lim}
        return set(BAR) <= passed


def write_model_card(folder: Path, card: ModelCard) -> None:
    """Write ``FOLDER/model_card.json``."""
    write_json(folder / MODEL_CARD_NAME, card.model_dump(mode="json"))


def read_model_card(folder: Path) -> ModelCard:
    """Read and check the model card of a weights folder.

    Raises
    ------
    CheckpointError if there is none, or it says something it may not.
    """
    path = folder / MODEL_CARD_NAME
    wanted = "a model card made by 'evalsuite weights export'"
    try:
        return ModelCard.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error})", wanted=wanted, do="export the checkpoint again"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        raise CheckpointError(
            f"{path}: {where}: {first['msg']}", wanted=wanted, do="export the checkpoint again"
        ) from error
