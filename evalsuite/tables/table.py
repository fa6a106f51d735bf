"""A table before it is drawn: numbers under keys, and columns that say how to show them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Column", "Row", "Table", "Value", "is_missing"]

Value = str | int | float | None


@dataclass(frozen=True)
class Column:
    """How one column is shown.

    Parameters
    ----------
    key : of the row value to show.
    title : the heading, with its unit.
    decimals : digits after the point; None for text and counts.
    significant : significant digits, for quantities that span decades; instead of `decimals`.
    half_width : True for the half width of an interval, shown with a plus-minus sign.
    ends : keys of the lower and the upper end, shown in brackets instead of the value, for
        intervals that do not lie around the number they stand beside.
    details : keys of further values that CSV and JSON carry after this one.
    words : True for text, which aligns to the left; the first column always does.
    """

    key: str
    title: str
    decimals: int | None = None
    significant: int | None = None
    half_width: bool = False
    ends: tuple[str, str] | None = None
    details: tuple[str, ...] = ()
    words: bool = False

    @property
    def numeric(self) -> bool:
        """True for numbers, which align to the right."""
        return self.key != "system" and not self.words

    def text(self, value: Value) -> str:
        """Return a value as shown, without markup; empty if there is none.

        >>> Column("speed", "kHz", significant=3).text(2496.0)
        '2500'
        >>> Column("speed", "kHz", significant=3).text(0.0627)
        '0.0627'
        """
        if is_missing(value):
            return ""
        if isinstance(value, float) and self.significant is not None:
            return _significant(value, self.significant)
        if isinstance(value, float) and self.decimals is not None:
            return f"{value:.{self.decimals}f}"
        return str(value)

    def shown(self, row: "Row") -> str:
        """Return the value of a row with plus-minus sign and mark; empty if there is none."""
        text = self._bare(row)
        sign = "±" if self.half_width and text and not self.ends else ""
        mark = row.marks.get(self.key, "") if text else ""
        return f"{sign}{text} {mark}".strip()

    def _bare(self, row: "Row") -> str:
        if self.ends is None:
            return self.text(row.values.get(self.key))
        low, high = (self.text(row.values.get(key)) for key in self.ends)
        return f"[{low}, {high}]" if low and high else ""

    def emphasised(self, row: "Row") -> bool:
        """True where the best row is set in bold."""
        return row.best and self.key in ("system", "mos") and bool(self.shown(row))


@dataclass(frozen=True)
class Row:
    """One system.

    Parameters
    ----------
    values : key -> value; a missing key, None and NaN are all shown as nothing.
    best : emphasised.
    marks : key -> short remark shown behind the value.
    """

    values: Mapping[str, Value]
    best: bool = False
    marks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A finished table.

    Parameters
    ----------
    id : file name without suffix, such as ``table3``.
    title, caption : one line each.
    footer : lines below: what was counted, how, from which inputs.
    stamps : what makes the figures other than results, shown first: simulated listeners,
        untrained weights, synthetic speech.
    """

    id: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footer: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ()

    @property
    def keys(self) -> list[str]:
        """Every key in the order of CSV columns."""
        return [key for column in self.columns for key in (column.key, *column.details)]


def is_missing(value: Value) -> bool:
    """True for None, NaN and infinity: nothing a table may print as a number.

    >>> [is_missing(value) for value in (None, math.nan, 0.0, "")]
    [True, True, False, False]
    """
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _significant(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    # Rounded first: 9.996 with three digits is 10.0, one place less than its own exponent says.
    rounded = float(f"{value:.{digits - 1}e}")
    places = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:.{max(places, 0)}f}"
