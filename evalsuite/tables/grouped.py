"""Tables of several groups of listeners or trials: told apart by title, or put into one."""

import re
from collections.abc import Mapping
from dataclasses import replace

from evalsuite.tables.table import Column, Row, Table

__all__ = ["of_group", "stacked"]


def of_group(table: Table, column: str, group: str) -> Table:
    """Return a table whose title and id name its group.

    >>> of_group(Table("mos", "Scores", "c", (), ()), "panel", "in house").id
    'mos-in-house'
    """
    suffix = re.sub(r"[^a-z0-9]+", "-", group.lower()).strip("-")
    return replace(table, id=f"{table.id}-{suffix}", title=f"{table.title}, {column} {group}")


def stacked(tables: Mapping[str, Table], column: str) -> Table:
    """Put the tables of all groups below each other, with the group as the first column.

    Parameters
    ----------
    tables : group -> table of the same kind; columns that one group lacks stay empty there.
    column : what the groups are values of.
    """
    first = next(iter(tables.values()))
    columns = {one.key: one for table in tables.values() for one in table.columns}
    return replace(
        first,
        columns=(Column(column, column, words=True), *columns.values()),
        rows=tuple(
            Row({column: group, **row.values}, row.best, row.marks)
            for group, table in tables.items()
            for row in table.rows
        ),
        footer=tuple(
            f"{column} {group}: {line}" for group, table in tables.items() for line in table.footer
        ),
        stamps=tuple(
            f"{column} {group}: {stamp}"
            for group, table in tables.items()
            for stamp in table.stamps
        ),
    )
