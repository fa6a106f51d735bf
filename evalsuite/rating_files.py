"""Read CSV and parquet files as they come: separators, byte-order mark, decimal comma."""

import csv
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from evalsuite.errors import RatingsError, Unavailable

__all__ = ["DECIMAL_COMMA", "read_frame"]

DECIMAL_COMMA = "decimal_comma"
"""Key of `DataFrame.attrs`: True if numbers may be written 3,5."""
_SHOWN_ROWS = 10


def read_frame(path: Path) -> pd.DataFrame:
    """Read a table with its own column names; values of a CSV stay text.

    Raises
    ------
    RatingsError if it is missing or not a table, or a row of a CSV has more or fewer fields than
        the header; Unavailable for parquet without pyarrow.
    """
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".parquet": _read_parquet,
        ".pq": _read_parquet,
    }
    if not path.is_file():
        raise RatingsError(
            f"{path} is not a file", wanted="a rating table", do="check the path for typing errors"
        )
    try:
        return readers.get(path.suffix.lower(), _read_csv)(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise RatingsError(
            f"{path} cannot be read as a table ({error})",
            wanted="a UTF-8 CSV with one header row, or a parquet file",
            do="export it again as CSV (UTF-8)",
        ) from error


def _read_csv(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig") as stream:
        header = stream.readline()
    separator = max(",;\t", key=header.count)
    # As text without NaN handling: a listener may be called "NA", and "x" as a score is reported
    # with its row instead of failing the reader. The header is read as a row like the others:
    # told of it, pandas takes the first field of a longer row for an index and shifts the rest.
    try:
        rows = pd.read_csv(
            path, sep=separator, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except pd.errors.ParserError as error:
        raise _uneven(path, separator) or error from error
    # Absent fields are read as empty ones, so every short row has an empty last field.
    if (rows.iloc[:, -1] == "").any() and (uneven := _uneven(path, separator)):
        raise uneven
    frame = rows.iloc[1:].reset_index(drop=True)
    frame.columns = pd.Index(rows.iloc[0].tolist())
    frame.attrs[DECIMAL_COMMA] = separator == ";"
    return frame


def _uneven(path: Path, separator: str) -> RatingsError | None:
    """Name the rows whose number of fields is not the header's; None if there are none."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream, delimiter=separator)
        width = len(next(rows))
        found = [
            (number, len(row))
            for number, row in enumerate(rows, start=2)
            if len(row) not in (0, width)
        ]
    if not found:
        return None
    shown = ", ".join(f"row {number} ({size})" for number, size in found[:_SHOWN_ROWS])
    more = f" and {len(found) - _SHOWN_ROWS} more" if len(found) > _SHOWN_ROWS else ""
    return RatingsError(
        f"{path} has {width} column names, but another number of fields in {shown}{more}",
        wanted="as many fields in every row as the header has: which belongs where is not guessed",
        do="quote text that holds the separator, or name every column (row numbers, too) in the "
        "header",
    )


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise Unavailable(
            f"{path} is a parquet file and pyarrow is not installed",
            wanted="pyarrow, or a CSV file",
            do='pip install "evalsuite[app]", or export the ratings as CSV',
        ) from error
    except ValueError as error:  # pyarrow's own errors are ValueErrors
        raise RatingsError(
            f"{path} is not a parquet file ({error})",
            wanted="a parquet file, or a CSV with the suffix .csv",
            do="export it again",
        ) from error
