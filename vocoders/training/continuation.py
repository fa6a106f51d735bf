"""Going on with a training on another machine: a state and data come in, a state goes out.

The machine is lent for some minutes and takes and gives back few, small files. So everything it
needs is a folder of parts (`vocoders.training.state_parts`) and packed recordings
(`vocoders.training.packing`), and what it leaves behind is a folder of parts again.

*Writes* ``OUT/corpus/`` (unpacked recordings), what ``evalsuite train`` writes, and the state.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError
from vocoders.training.checkpoint import Checkpoints
from vocoders.training.data import Recordings, open_data
from vocoders.training.distributed import Processes
from vocoders.training.limits import Limits
from vocoders.training.packing import INDEX_NAME, unpack_data
from vocoders.training.progress import Silent, TrainingProgress
from vocoders.training.snapshot import Snapshot, pack_snapshot, read_snapshot, write_checkpoint
from vocoders.training.state_parts import BUDGET_BYTES, PART_BYTES, StateIndex
from vocoders.training.trainer import TrainingResult, train

__all__ = ["Continued", "continue_training", "place_state"]

# What a lent machine should do without being told: mixed precision where the GPU can, no
# samples, and a short validation at the end.
_LENT_MACHINE = (
    "run.precision=auto",
    "run.tf32=true",
    "run.samples=false",
    "run.valid_interval=0",
    "run.valid_max_clips=8",
)
# Validation, export and packing come after the last step and must fit into the minutes.
_LONGEST_RESERVE_MIN = 0.75


@dataclass(frozen=True)
class Continued:
    """What one call did: the training's result, the state left behind, and what it lost."""

    result: TrainingResult
    index: StateIndex
    state: Path

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        files = {part.file: part.n_bytes for part in self.index.parts}
        return {
            "training": self.result.as_json(),
            "state": str(self.state),
            "files": files,
            "lost": self.index.losses(),
        }


def continue_training(
    state: Path,
    data: Path,
    out: Path,
    *,
    minutes: float,
    device: str = "auto",
    settings: Sequence[str] = (),
    steps: int | None = None,
    leave: Path | None = None,
    budget_bytes: int = BUDGET_BYTES,
    part_bytes: int = PART_BYTES,
    progress: TrainingProgress | None = None,
) -> Continued:
    """Train from a state for some minutes and leave the newest state behind.

    A second call on the same `out` goes on from its own checkpoints, not from `state`.

    Parameters
    ----------
    state : folder of parts, training folder or checkpoint.
    data : packed recordings, or a corpus with a column ``split``.
    minutes : for everything: unpacking, training, validation, packing.
    settings : ``key.key=value``, such as ``data.batch_size=64``.
    steps : stop after so many in all; None = the configuration's.
    leave : where the state goes; None = ``OUT/state``.

    Raises
    ------
    UsageError for an impossible time; CheckpointError, CorpusError, ConfigError before any step;
    TrainingError.
    """
    started = time.monotonic()
    if minutes <= 0:
        raise UsageError(f"{minutes:g} minutes", wanted="more than 0", do="raise --minutes")
    shown = progress or Silent()
    snapshot = read_snapshot(state, overrides=(*_LENT_MACHINE, *settings))
    corpus = unpack_data(data, out / "corpus") if (data / INDEX_NAME).is_file() else data
    if Checkpoints(out / "checkpoints").paths():
        shown.warn(f"{out} has checkpoints of its own: going on from them, not from {state}")
    else:
        for line in snapshot.said:
            shown.warn(f"the state: {line}")
        place_state(snapshot, corpus, out, progress=shown)
    passed_min = (time.monotonic() - started) / 60
    reserve_min = min(_LONGEST_RESERVE_MIN, minutes / 4)
    result = train(
        snapshot.config,
        snapshot.kind,
        Recordings(corpus),
        out,
        limits=Limits(steps or snapshot.config.steps, max(minutes - passed_min - reserve_min, 0.0)),
        device=device,
        progress=shown,
    )
    folder = leave or out / "state"
    index = pack_snapshot(
        read_snapshot(out), folder, budget_bytes=budget_bytes, part_bytes=part_bytes
    )
    return Continued(result, index, folder)


def place_state(
    snapshot: Snapshot, corpus: Path, out: Path, *, progress: TrainingProgress | None = None
) -> Path:
    """Make a training folder that ``evalsuite train`` goes on from, on this corpus.

    Raises
    ------
    CorpusError if the corpus names no clips to train on; UsageError if `out` already has
    checkpoints.
    """
    if existing := Checkpoints(out / "checkpoints").paths():
        raise UsageError(
            f"{out} already has {existing[-1].name}",
            wanted="a folder without checkpoints",
            do="choose another folder",
        )
    return write_checkpoint(snapshot, out, _facts(snapshot, corpus, out, progress or Silent()))


def _facts(
    snapshot: Snapshot, corpus: Path, out: Path, progress: TrainingProgress
) -> Mapping[str, str | int]:
    data = open_data(
        Recordings(corpus),
        out / "audio",
        snapshot.config,
        processes=Processes(),
        progress=progress,
    )
    return data.facts()
