"""Metrics by name. A new metric is one file and one line here."""

from collections.abc import Callable
from difflib import get_close_matches

from evalsuite.errors import UnknownName
from evalsuite.metrics import Metric
from evalsuite.metrics.log_mel_l1 import LogMelL1
from evalsuite.metrics.multi_resolution_stft import MultiResolutionStftDistance
from evalsuite.metrics.pesq import Pesq

__all__ = ["METRICS", "make_metric"]

METRICS: dict[str, Callable[[], Metric]] = {
    "pesq_wb": lambda: Pesq("wb"),
    "pesq_nb": lambda: Pesq("nb"),
    "log_mel_l1": LogMelL1,
    "m_stft": MultiResolutionStftDistance,
}


def make_metric(name: str) -> Metric:
    """Return a metric by name.

    Raises
    ------
    UnknownName naming the nearest and all known metrics.
    """
    if name in METRICS:
        return METRICS[name]()
    near = get_close_matches(name, METRICS, n=1)
    raise UnknownName(
        f"{name!r} is not a metric",
        wanted=f"one of {', '.join(METRICS)}",
        do=f"did you mean {near[0]!r}?" if near else "choose from that list",
    )
