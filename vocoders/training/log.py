"""What a training says while it runs: a CSV table, and TensorBoard if it is installed.

*Writes* ``OUT/log.csv`` with columns ``step, part, name, value``: ``part`` is ``train`` (means
since the last line of the same name), ``valid`` or ``speed``. One value a row, so that phases
with different losses share one table. Values that do not exist are ``nan``.
"""

import csv
from collections import defaultdict
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from evalsuite.errors import Unavailable
from evalsuite.files import atomic_path
from vocoders.training.checkpoint import explain_full_disk

__all__ = ["COLUMNS", "Mean", "TrainingLog"]

COLUMNS = ("step", "part", "name", "value")
Part = Literal["train", "valid", "speed"]


class Mean:
    """Mean of each loss since the last `take`."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(self, losses: Mapping[str, float]) -> None:
        """Count one step."""
        for name, value in losses.items():
            self._values[name].append(value)

    def take(self) -> dict[str, float]:
        """Return the means and begin again."""
        means = self.look()
        self._values.clear()
        return means

    def look(self) -> dict[str, float]:
        """Return the means and go on."""
        return {name: sum(values) / len(values) for name, values in self._values.items()}

    def state_dict(self) -> dict[str, list[float]]:
        """All that was counted, for checkpoints: a resumed training then logs the same means."""
        return dict(self._values)

    def load_state_dict(self, state: Mapping[str, list[float]]) -> None:
        """Take over what was counted."""
        self._values = defaultdict(list, {name: list(values) for name, values in state.items()})


class TrainingLog:
    """Appends to the table; rows after the step that is resumed from are cut first.

    Parameters
    ----------
    folder : of the training.
    n_steps : that were done before; rows of later steps come from a process that died.
    tensorboard : also write events below ``OUT/tensorboard``.

    Raises
    ------
    Unavailable if TensorBoard is wanted and not installed.
    """

    def __init__(self, folder: Path, *, n_steps: int, tensorboard: bool = False) -> None:
        self._path = folder / "log.csv"
        self._events = _open_events(folder / "tensorboard", n_steps) if tensorboard else None
        kept = [row for row in _read(self._path) if int(row[0]) <= n_steps]
        with (
            explain_full_disk(self._path),
            atomic_path(self._path) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as stream,
        ):
            csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *kept])

    def write(self, step: int, part: Part, values: Mapping[str, float]) -> None:
        """Add one row per value.

        Raises
        ------
        TrainingError if the disk is full.
        """
        rows = [(step, part, name, f"{value:.9g}") for name, value in values.items()]
        with (
            explain_full_disk(self._path),
            self._path.open("a", encoding="utf-8", newline="") as stream,
        ):
            csv.writer(stream, lineterminator="\n").writerows(rows)
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(f"{part}/{name}", value, step)

    def close(self) -> None:
        """Flush what is still in memory."""
        if self._events is not None:
            self._events.close()


def _read(path: Path) -> list[list[str]]:
    """Whole rows; a line that a dying process left unfinished is dropped."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))[1:]
    return [row for row in rows if len(row) == len(COLUMNS) and row[0].isdigit()]


def _open_events(folder: Path, n_steps: int) -> Any:
    try:
        module = import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise Unavailable(
            "TensorBoard is not installed",
            wanted="tensorboard, because run.tensorboard is true",
            do="pip install 'evalsuite[train]', or set run.tensorboard: false",
        ) from error
    return module.SummaryWriter(str(folder), purge_step=n_steps + 1)
