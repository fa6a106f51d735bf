"""How far a run is, put together from what its stages report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Progress", "Tally"]


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Parameters
    ----------
    done, total : samples; reused ones count as done from the start.
    audio_s : seconds of audio in the samples made by this run so far.
    vocoded_s, to_vocode_s : seconds of audio made side by side so far, and all of them; that is
        done before the first sample is finished. Both are 0 where no system works so.
    """

    done: int
    total: int
    audio_s: float
    vocoded_s: float = 0.0
    to_vocode_s: float = 0.0


class Tally:
    """Counts, and reports every change.

    Parameters
    ----------
    done, total : samples.
    groups_s : seconds of audio of each group that is made side by side.
    report : None = nobody listens.
    """

    def __init__(
        self,
        done: int,
        total: int,
        groups_s: Sequence[float],
        report: Callable[[Progress], None] | None,
    ) -> None:
        self._done, self._total, self._audio_s = done, total, 0.0
        self._lengths_s, self._vocoded_s = groups_s, [0.0] * len(groups_s)
        self._report = report

    def hear(self, group: int, vocoded_s: float) -> None:
        """Take what a group says of itself; it never falls, and never exceeds its length."""
        heard_s = min(vocoded_s, self._lengths_s[group])
        self._vocoded_s[group] = max(self._vocoded_s[group], heard_s)
        self.report()

    def end_group(self, group: int) -> None:
        """Count a group as done, whatever became of it."""
        self.hear(group, self._lengths_s[group])

    def end_utterance(self, n_samples: int, audio_s: float) -> None:
        """Count the samples of an utterance, and the seconds of those that were made."""
        self._done += n_samples
        self._audio_s += audio_s
        self.report()

    def report(self) -> None:
        """Say how far the run is."""
        if self._report is not None:
            vocoded_s, to_vocode_s = sum(self._vocoded_s), sum(self._lengths_s)
            self._report(Progress(self._done, self._total, self._audio_s, vocoded_s, to_vocode_s))
