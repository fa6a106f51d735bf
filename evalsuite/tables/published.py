"""Published figures as tables take them: plain values, read from wherever the caller keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PublishedRow", "PublishedTable"]


@dataclass(frozen=True)
class PublishedRow:
    """One printed row.

    Parameters
    ----------
    name : as printed.
    values : ``mos`` and ``ci`` (half width), or ``parameters_million``, ``cpu_khz``, ``gpu_khz``.
    """

    name: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class PublishedTable:
    """One printed table.

    Parameters
    ----------
    number : as in the paper.
    title : what it shows.
    rows : in printed order.
    source : the paper, for the footer.
    hardware : what a speed was measured on; empty for opinion scores.
    """

    number: int
    title: str
    rows: tuple[PublishedRow, ...]
    source: str
    hardware: str = ""
