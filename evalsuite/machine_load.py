"""How busy the machine was with other work while something was timed.

A neighbour on the next core takes cache and memory bandwidth, so a timing is too slow although
its process never waited. Linux counts the work of all processors in ``/proc/stat``; what this
process and its children did not do was done by others.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalsuite.provenance import load_average

__all__ = ["LoadMeter", "MachineLoad", "ProcessorTimes", "cpu_seconds_of", "parse_processor_times"]

#: Above these a timing is flagged; an idle desktop stays below a tenth of them.
BUSY_OTHER_CORES = 0.2
BUSY_STOLEN_SHARE = 0.02
BUSY_LOAD_AVERAGE = 0.5

_PROC_STAT = Path("/proc/stat")


@dataclass(frozen=True)
class MachineLoad:
    """Other work on the machine during a measurement; None where the system does not say.

    Parameters
    ----------
    load_average_before, load_average_after : one minute.
    other_cores : processors that other processes kept busy, on average; 1.0 is one whole core.
    stolen_share : of all processor time, what the host of a virtual machine gave to others.
    wall_s : how long was measured, in seconds.
    """

    load_average_before: float | None
    load_average_after: float | None
    other_cores: float | None
    stolen_share: float | None
    wall_s: float

    @property
    def loaded(self) -> bool:
        """True if other work was visible, so that a speed may be too low.

        The load average remembers our own previous work, so it counts only where the system
        tells nothing better.
        """
        if self.other_cores is None or self.stolen_share is None:
            before = self.load_average_before
            return before is not None and before > BUSY_LOAD_AVERAGE
        return self.other_cores > BUSY_OTHER_CORES or self.stolen_share > BUSY_STOLEN_SHARE


@dataclass(frozen=True)
class ProcessorTimes:
    """Seconds since start-up, summed over all processors.

    Parameters
    ----------
    busy_s : user, nice, system and interrupt time; guests are part of user time.
    stolen_s : given to other virtual machines.
    total_s : everything, idle time included.
    """

    busy_s: float
    stolen_s: float
    total_s: float


def parse_processor_times(text: str, ticks_per_s: float) -> ProcessorTimes | None:
    """Read the first line of ``/proc/stat``; None if it is of another form.

    >>> parse_processor_times("cpu  200 100 50 600 50 0 0 100 0 0", 100)
    ProcessorTimes(busy_s=3.5, stolen_s=1.0, total_s=11.0)
    """
    words = text.splitlines()[0].split() if text else []
    if len(words) < 9 or words[0] != "cpu":
        return None
    user, nice, system, idle, waiting, irq, soft_irq, stolen = (
        int(word) / ticks_per_s for word in words[1:9]
    )
    busy = user + nice + system + irq + soft_irq
    return ProcessorTimes(busy, stolen, busy + stolen + idle + waiting)


class LoadMeter:
    """Starts measuring when it is made; `read` gives what happened since then.

    Parameters
    ----------
    clock, own_cpu, times : seconds of wall time; CPU seconds of the measured work; the machine's
        processor times. Replaced in tests.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.perf_counter,
        own_cpu: Callable[[], float] | None = None,
        times: Callable[[], ProcessorTimes | None] | None = None,
    ) -> None:
        self._clock, self._own_cpu = clock, own_cpu or _cpu_of_this_process
        self._times = times or _read_processor_times
        self._load_before = load_average()
        self._start = self._clock(), self._own_cpu(), self._times()

    def read(self) -> MachineLoad:
        """What the machine did since the meter was made."""
        start_s, own_start_s, before = self._start
        wall_s, own_s = self._clock() - start_s, self._own_cpu() - own_start_s
        after = self._times()
        other_cores = stolen_share = None
        if before and after and wall_s > 0 and after.total_s > before.total_s:
            # Ticks are coarse: a short measurement can end up slightly below zero.
            other_cores = max(0.0, (after.busy_s - before.busy_s - own_s) / wall_s)
            stolen_share = (after.stolen_s - before.stolen_s) / (after.total_s - before.total_s)
        return MachineLoad(
            load_average_before=self._load_before,
            load_average_after=load_average(),
            other_cores=other_cores,
            stolen_share=stolen_share,
            wall_s=wall_s,
        )


def _cpu_of_this_process() -> float:
    """CPU seconds of this process and of the children that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def cpu_seconds_of(process_ids: Sequence[int]) -> float:
    """CPU seconds of running processes, where the system tells; otherwise 0."""
    total = 0.0
    for process_id in process_ids:
        try:
            # The name in brackets may hold spaces; user and system time are fields 14 and 15.
            fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            continue
    return total


def _read_processor_times() -> ProcessorTimes | None:
    try:
        return parse_processor_times(_PROC_STAT.read_text(), os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, AttributeError):
        return None
