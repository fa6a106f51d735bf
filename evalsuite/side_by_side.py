"""Many utterances of one system at once, ahead of the utterance stage.

A vocoder that makes one sample after the other is ten to twenty times faster with many utterances
side by side (`evalsuite.vocoder.Vocoder.generate_many`). This stage lets it work so and only fills
the cache: each output is stored as soon as it is finished, and `evalsuite.resynthesis` finds it
there as if an earlier run had made it.

*Shares* Each process gets as many groups as the others and each group the same mix of lengths, so
that all end together. A group is larger than the lanes, because finished lanes are refilled; the
features of one group are all that is in memory.

*Failures* What this stage cannot make it leaves to the utterance stage, which tries alone and says
why. A group that stops is made again in halves, without what is finished: one bad utterance costs
its neighbours time, not their samples, and too many for the memory become fewer.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evalsuite.engines import tell
from evalsuite.errors import EvalsuiteError
from evalsuite.finishing import Assignment, UtteranceTask
from evalsuite.raw_outputs import RawOutputs
from evalsuite.types import Features, Utterance, Waveform
from evalsuite.vocoder import Vocoder

__all__ = ["Group", "GroupOutcome", "Member", "SideBySide", "plan_groups", "width"]

#: Utterances of a group for each lane. At the end of a group lanes run empty, which four rounds of
#: unequal lengths make rare; more would only mean more features in memory.
_ROUNDS = 4


@dataclass(frozen=True)
class Member:
    """One utterance of a group, and what its system has to do for it."""

    utterance: Utterance
    one: Assignment


@dataclass(frozen=True)
class Group:
    """Utterances that one system makes side by side in one process.

    Parameters
    ----------
    members : the longest first.
    lanes : of them at a time.
    """

    label: str
    members: tuple[Member, ...]
    lanes: int

    @property
    def audio_s(self) -> float:
        """Length of all recordings."""
        return sum(member.utterance.duration_s for member in self.members)


@dataclass
class GroupOutcome:
    """What became of a group.

    Parameters
    ----------
    made : ids of the utterances whose output is now in the cache.
    setbacks : why some were made in smaller parts; empty if all went well.
    """

    made: list[str] = field(default_factory=list)
    setbacks: list[str] = field(default_factory=list)


def width(lanes: int | None, n_utterances: int, jobs: int) -> int:
    """How many utterances stand side by side in one of `jobs` processes.

    >>> [width(lanes, 100, jobs=2) for lanes in (None, 1, 64, 16)]
    [1, 1, 50, 16]
    """
    return max(1, min(lanes or 1, math.ceil(n_utterances / max(1, jobs))))


def plan_groups(
    tasks: Sequence[UtteranceTask],
    vocoders: Mapping[str, Vocoder],
    is_missing: Callable[[Assignment], bool],
    *,
    jobs: int,
) -> list[Group]:
    """Share what is missing of the systems that work side by side among processes.

    Returns
    -------
    Groups, the most work first.
    """
    members: dict[str, list[Member]] = defaultdict(list)
    for task in tasks:
        for one in task.assignments:
            if vocoders[one.label].lanes is not None and is_missing(one):
                members[one.label].append(Member(task.utterance, one))
    groups = [
        group
        for label, missing in members.items()
        for group in _share(label, missing, vocoders[label].lanes or 1, jobs)
    ]
    return sorted(groups, key=lambda group: -group.audio_s)


def _share(label: str, members: list[Member], lanes: int, jobs: int) -> list[Group]:
    """Deal utterances like cards, the longest first: every group gets as much work."""
    members.sort(key=lambda member: (-member.utterance.duration_s, member.utterance.id))
    jobs = max(1, jobs)
    # One after the other, nothing is gained by a group; alone each keeps the processes equal.
    largest = 1 if lanes == 1 else _ROUNDS * lanes
    n_groups = min(len(members), jobs * math.ceil(len(members) / (jobs * largest)))
    return [
        Group(label, tuple(members[first::n_groups]), width(lanes, len(members), n_groups))
        for first in range(n_groups)
    ]


@dataclass(frozen=True, eq=False)
class _Ready:
    """A member with its features; `audio_s` is the length of its reference."""

    member: Member
    features: Features
    audio_s: float


class SideBySide:
    """Makes groups, one after the other."""

    def __init__(self, outputs: RawOutputs) -> None:
        self._outputs = outputs

    def __call__(self, group: Group) -> GroupOutcome:
        """Make what can be made of a group, and tell the seconds of audio done meanwhile.

        Raises
        ------
        EvalsuiteError if the vocoder cannot be built here.
        """
        vocoder, outcome = self._outputs.vocoder(group.label), GroupOutcome()
        ready_ones, done_s = self._prepare(group), 0.0
        waiting = [ready_ones] if ready_ones else []
        while waiting:
            part = waiting.pop()
            attempt = _Attempt(vocoder, part, group.lanes, already_s=done_s)
            for ready, wave in attempt:
                self._keep(ready, wave, attempt)
                outcome.made.append(ready.member.utterance.id)
            done_s += attempt.finished_s
            if attempt.fault and len(part) > 1:
                outcome.setbacks.append(f"{group.label}: {attempt.fault}")
            if len(left := attempt.left) > 1:
                middle = len(left) // 2
                waiting += [left[middle:], left[:middle]]
        return outcome

    def _prepare(self, group: Group) -> list[_Ready]:
        """Compute the features of a group; whose cannot be had is left out."""
        ready = []
        for member in group.members:
            try:
                reference = self._outputs.reference(member.utterance)
                features = self._outputs.analyse(member.one, member.utterance, reference)
            except EvalsuiteError:
                continue  # the utterance stage meets the same error, and reports it
            ready.append(_Ready(member, features, reference.duration_s))
        return ready

    def _keep(self, ready: _Ready, wave: Waveform, attempt: "_Attempt") -> None:
        self._outputs.keep(
            ready.member.one,
            ready.features,
            wave,
            seconds=attempt.pace * ready.audio_s,
            audio_s=ready.audio_s,
            lanes=attempt.lanes,
        )


class _Attempt:
    """One call of a vocoder for some utterances: iterates over what it finishes.

    Parameters
    ----------
    already_s : audio that earlier attempts of the group finished.

    Attributes
    ----------
    finished_s : audio finished by this attempt.
    fault : why it ended before all were finished; empty if it did not.
    """

    def __init__(
        self, vocoder: Vocoder, part: list[_Ready], lanes: int, *, already_s: float
    ) -> None:
        self.lanes = min(lanes, len(part))
        self.finished_s, self.fault = 0.0, ""
        self._vocoder, self._part, self._already_s = vocoder, part, already_s
        self._unfinished = dict(enumerate(part))
        self._made_s, self._started = 0.0, time.perf_counter()

    def __iter__(self) -> Iterator[tuple[_Ready, Waveform]]:
        """Yield each member with its output; end early, with a fault, if the vocoder does."""
        features = [ready.features for ready in self._part]
        seeds = [ready.member.one.seed for ready in self._part]
        try:
            for place, wave in self._vocoder.generate_many(features, seeds, progress=self._hear):
                ready = self._unfinished.pop(place)
                self.finished_s += ready.audio_s
                yield ready, wave
        except Exception as error:
            self.fault = f"{len(self._part)} side by side: {type(error).__name__}: {error}"
        else:
            if self._unfinished:
                self.fault = f"{len(self._unfinished)} of {len(self._part)} were not made"

    @property
    def left(self) -> list[_Ready]:
        """Members without an output."""
        return list(self._unfinished.values())

    @property
    def pace(self) -> float:
        """Seconds that one second of audio has taken so far: what lanes share, each by length."""
        elapsed_s = time.perf_counter() - self._started
        return elapsed_s / max(self._made_s, self.finished_s)

    def _hear(self, made_s: float) -> None:
        self._made_s = made_s
        tell(self._already_s + made_s)
