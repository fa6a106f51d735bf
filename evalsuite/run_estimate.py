"""How long vocoders will need, from how long they needed before in the same run folder."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.cache import RunCache

__all__ = ["VocoderWork", "estimate_s"]


@dataclass(frozen=True)
class VocoderWork:
    """What one vocoder has to make.

    Parameters
    ----------
    fingerprint : of the configured vocoder.
    lanes : utterances side by side, which decides how fast it is.
    """

    fingerprint: str
    audio_s: float
    lanes: int = 1


def estimate_s(cache: RunCache, works: Sequence[VocoderWork], *, jobs: int) -> float | None:
    """Estimate the time for all of them.

    Outputs that were made with the most similar number of lanes count, the median of them.

    Returns
    -------
    Seconds; None if one of the vocoders has not run yet.
    """
    paces: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for facts in cache.all_raw_facts():
        pace = facts["seconds"] / facts["audio_s"]
        # Outputs of earlier versions were made one by one and do not say so.
        paces[facts["fingerprint"]][facts.get("lanes", 1)].append(pace)
    total_s = 0.0
    for work in works:
        if work.fingerprint not in paces:
            return None
        known = paces[work.fingerprint]
        nearest = min(known, key=lambda lanes: max(lanes / work.lanes, work.lanes / lanes))
        total_s += work.audio_s * statistics.median(known[nearest])
    return total_s / max(1, jobs)
