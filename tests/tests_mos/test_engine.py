import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from evalsuite.errors import StoreError, UsageError
from tests_mos.engine import Database
from tests_mos.schema import metadata, schema_info


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://host/name", "study.sqlite", ""]
)
def test_urls_that_would_lose_ratings_or_mean_nothing(url: str) -> None:
    with pytest.raises(UsageError, match="sqlite:///path"):
        Database(url)


def test_sqlite_is_set_up_to_survive_a_power_cut(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite'}")
    with database.write() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    database.close()
    assert found == ["wal", 2, 1]  # 2 is FULL


def test_a_failed_write_leaves_nothing(url: str) -> None:
    database = Database(url)
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute(sa.insert(schema_info).values(version=77))
        raise RuntimeError
    with database.read() as connection:
        assert connection.execute(sa.select(schema_info.c.version)).scalars().all() == [1]
    database.close()


def test_another_schema_version_is_refused(url: str) -> None:
    database = Database(url)
    with database.write() as connection:
        connection.execute(sa.update(schema_info).values(version=2))
    database.close()
    with pytest.raises(StoreError, match=r"schema version 2.*version 1"):
        Database(url)


def test_tables_without_a_version_are_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.sqlite") as connection:
        connection.execute("CREATE TABLE rating (id INTEGER)")
    connection.close()
    with pytest.raises(StoreError, match="schema version None"):
        Database(f"sqlite:///{tmp_path / 'a.sqlite'}")


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at " * 20)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a database"):
        Database(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_opening_twice_keeps_what_is_there(url: str) -> None:
    first, second = Database(url), Database(url)
    with first.read() as connection:
        names = set(sa.inspect(connection).get_table_names())
    first.close()
    second.close()
    assert names == set(metadata.tables)
