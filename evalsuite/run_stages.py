"""The two stages of a run: side by side what is faster so, then every utterance.

The first only saves time. Whatever it did not make, the second makes or reports, so there is one
code path for what a sample is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from evalsuite.engines import make_engine
from evalsuite.errors import EvalsuiteError
from evalsuite.finishing import Assignment, UtteranceTask
from evalsuite.manifest import FailureRecord, SampleRecord
from evalsuite.raw_outputs import RawOutputs
from evalsuite.resynthesis import Resynthesis, UtteranceOutcome, failure
from evalsuite.run_progress import Progress, Tally
from evalsuite.side_by_side import Group, SideBySide, plan_groups
from evalsuite.vocoder import Vocoder
from evalsuite.workplace import Workplace

__all__ = ["Work", "run_stages"]

Stage = TypeVar("Stage", SideBySide, Resynthesis)


@dataclass
class Work:
    """The state of one run while it is put together.

    Parameters
    ----------
    made, vocoded : numbers of samples, see `evalsuite.generate.GenerateResult`.
    """

    tasks: list[UtteranceTask]
    samples: list[SampleRecord] = field(default_factory=list)
    failures: list[FailureRecord] = field(default_factory=list)
    setbacks: list[str] = field(default_factory=list)
    made: int = 0
    vocoded: int = 0


def run_stages(
    work: Work,
    todo: list[UtteranceTask],
    workplace: Workplace,
    vocoders: dict[str, Vocoder],
    *,
    jobs: int,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Make all samples of some tasks, and add what comes back to the work.

    Parameters
    ----------
    vocoders : built in this process, by label; other processes build their own.
    """
    outputs = RawOutputs(workplace, vocoders)

    def is_missing(one: Assignment) -> bool:
        return workplace.force or not outputs.cache.has_raw(one.raw_key)

    groups = plan_groups(todo, vocoders, is_missing, jobs=jobs)
    n_samples, n_todo = (sum(len(t.assignments) for t in tasks) for tasks in (work.tasks, todo))
    tally = Tally(n_samples - n_todo, n_samples, [group.audio_s for group in groups], progress)
    tally.report()
    _Stages(work, outputs, jobs, tally).run(todo, groups)


class _Stages:
    def __init__(self, work: Work, outputs: RawOutputs, jobs: int, tally: Tally) -> None:
        self._work, self._outputs, self._jobs, self._tally = work, outputs, jobs, tally
        # What became of the first stage, as (label, utterance).
        self._made: set[tuple[str, str]] = set()
        self._failed: set[tuple[str, str]] = set()

    def run(self, todo: list[UtteranceTask], groups: list[Group]) -> None:
        self._make_groups(groups)
        self._make_utterances(todo)

    def _make_groups(self, groups: list[Group]) -> None:
        engine = make_engine(self._setup(SideBySide), jobs=self._jobs)
        for outcome in engine.map(groups, heard=self._tally.hear):
            group = groups[outcome.index]
            if outcome.value is not None:
                self._made |= {(group.label, utterance) for utterance in outcome.value.made}
                self._work.setbacks += outcome.value.setbacks
            if outcome.error is not None:
                self._fail(group, outcome.error)
            self._tally.end_group(outcome.index)
        self._work.vocoded += len(self._made)

    def _fail(self, group: Group, error: EvalsuiteError) -> None:
        """Give up what a group without an answer, such as that of a dead process, did not store."""
        for member in group.members:
            one, utterance = member.one, member.utterance.id
            if not self._outputs.at.force and self._outputs.cache.has_raw(one.raw_key):
                self._made.add((one.label, utterance))
                continue
            self._failed.add((one.label, utterance))
            self._work.failures.append(failure(one.label, utterance, error))

    def _make_utterances(self, todo: list[UtteranceTask]) -> None:
        tasks = [self._what_is_left(task) for task in todo]
        engine = make_engine(self._setup(Resynthesis), jobs=self._jobs)
        for outcome in engine.map(tasks):
            task, made_s = tasks[outcome.index], 0.0
            if outcome.value is not None:
                made_s = task.utterance.duration_s * len(outcome.value.made)
                self._add(outcome.value)
            if outcome.error is not None:
                self._work.failures += [
                    failure(one.label, task.utterance.id, outcome.error) for one in task.assignments
                ]
            self._tally.end_utterance(len(todo[outcome.index].assignments), made_s)

    def _what_is_left(self, task: UtteranceTask) -> UtteranceTask:
        """Take out what the first stage gave up, and mark what it made."""
        utterance = task.utterance.id
        labels = {one.label for one in task.assignments}
        made = {label for label in labels if (label, utterance) in self._made}
        kept = [one for one in task.assignments if (one.label, utterance) not in self._failed]
        return replace(task, assignments=tuple(kept), made_ahead=frozenset(made))

    def _add(self, outcome: UtteranceOutcome) -> None:
        self._work.samples += outcome.samples
        self._work.failures += outcome.failures
        self._work.made += len(outcome.made)
        self._work.vocoded += len(outcome.vocoded)

    def _setup(self, stage: type[Stage]) -> Callable[[], Stage]:
        """In this process the vocoders exist already; other processes build their own."""
        if self._jobs > 1:
            return partial(_begin, stage, self._outputs.at)
        return partial(stage, self._outputs)


def _begin(stage: type[Stage], workplace: Workplace) -> Stage:
    return stage(RawOutputs(workplace))
