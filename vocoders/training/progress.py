"""How a training shows itself while it runs, on stderr."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

__all__ = ["ProgressLine", "Silent", "StepReport", "TrainingProgress", "WarningsOnly"]


@dataclass(frozen=True)
class StepReport:
    """Where a training is after a step.

    Parameters
    ----------
    n_done, n_steps : done of this training, and where it ends.
    steps_per_s : of the recent steps, without validation; NaN before the first.
    time_left_s : until the first limit, in seconds.
    means : mean losses since the last log line, at a log line only; else empty.
    """

    n_done: int
    n_steps: int
    steps_per_s: float
    time_left_s: float
    means: Mapping[str, float] = field(default_factory=dict)


class TrainingProgress(Protocol):
    """Is told what happens."""

    def say(self, text: str) -> None:
        """Show something that is good to know."""
        ...

    def warn(self, text: str) -> None:
        """Show something that must be known even by those who asked for quiet."""
        ...

    def decoded(self, done: int, total: int) -> None:
        """Show how many recordings were decoded."""
        ...

    def stepped(self, report: StepReport) -> None:
        """Show a step."""
        ...


class Silent:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def warn(self, text: str) -> None:
        """Show nothing."""

    def decoded(self, done: int, total: int) -> None:
        """Show nothing."""

    def stepped(self, report: StepReport) -> None:
        """Show nothing."""


class WarningsOnly(Silent):
    """Shows what must be known, and nothing else."""

    def warn(self, text: str) -> None:
        """Print a line."""
        print(text, file=sys.stderr, flush=True)


class ProgressLine:
    """One line that is kept up to date on a terminal; elsewhere a line per log line.

    A context manager: the line is finished when it ends.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                   TextColumn("{task.fields[facts]}"))  # fmt: skip
        self._bars = Bars(*columns, console=self._console, disable=not self._console.is_terminal)
        self._tasks: dict[str, TaskID] = {}
        self._means = ""

    def __enter__(self) -> "ProgressLine":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        """Print a line above the progress line."""
        self._print(text)

    def warn(self, text: str) -> None:
        """Print a line above the progress line."""
        self._print(text)

    def decoded(self, done: int, total: int) -> None:
        """Count recordings."""
        self._show("decoding", done, total, "")

    def stepped(self, report: StepReport) -> None:
        """Show speed, time left and the last losses."""
        if report.means:
            self._means = _short(report.means)
        left = str(timedelta(seconds=round(report.time_left_s)))
        facts = f"{report.steps_per_s:.3g} steps/s, {left} left {self._means}"
        self._show("training", report.n_done, report.n_steps, facts)
        if report.means and not self._console.is_terminal:
            self._print(f"{time.strftime('%H:%M:%S')} {report.n_done}/{report.n_steps} {facts}")

    def _show(self, name: str, done: int, total: int, facts: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, facts="")
        self._bars.update(self._tasks[name], completed=done, total=total, facts=facts)

    def _print(self, text: str) -> None:
        if self._console.is_terminal:
            self._console.print(text, markup=False)
        else:
            # rich would break long lines at 80 columns
            print(text, file=sys.stderr, flush=True)


def _short(means: Mapping[str, float]) -> str:
    """Say the losses alone; norms and counters are in the log."""
    shown = {name: value for name, value in means.items() if "/" in name}
    losses = {name: v for name, v in shown.items() if not name.endswith("gradient_norm")}
    return " ".join(f"{name.rpartition('/')[2]} {value:.3f}" for name, value in losses.items())
