"""Connections to the study database: safe SQLite, or PostgreSQL by URL.

SQLite runs with a write-ahead log and ``synchronous=FULL``: a committed rating survives a killed
process and a power cut. Every writer takes the write lock when it begins, inside one lock per
file and process, because SQLite's own waiting is unfair and can time out under load.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from evalsuite.errors import StoreError, UsageError
from tests_mos.schema import SCHEMA_VERSION, metadata, schema_info

__all__ = ["Database", "default_url"]

_BUSY_TIMEOUT_MS = 15_000  # other processes on the same file; a commit takes milliseconds
_locks: dict[str, threading.Lock] = {}
_locks_guard = threading.Lock()


def default_url(study_path: Path) -> str:
    """URL of the SQLite file beside a study file.

    >>> default_url(Path("/srv/table3.yaml"))
    'sqlite:////srv/table3.sqlite'
    """
    return f"sqlite:///{study_path.resolve().with_suffix('.sqlite')}"


class Database:
    """One database: read and write transactions, and the check that its tables are ours.

    Parameters
    ----------
    url : ``sqlite:///path`` or ``postgresql+psycopg://…``.

    Raises
    ------
    UsageError if the URL is malformed or names an in-memory database.
    StoreError if it cannot be opened, is not a study database or is of another version.
    """

    def __init__(self, url: str) -> None:
        parsed = _parse(url)
        self.is_postgres = parsed.get_backend_name() == "postgresql"
        self.engine = _postgres(parsed) if self.is_postgres else _sqlite(parsed)
        # BEGIN IMMEDIATE: a transaction that reads and then writes can never fail half way.
        self._writer = self.engine.execution_options(sqlite_begin="IMMEDIATE")
        self._lock: contextlib.AbstractContextManager[Any] = (
            contextlib.nullcontext() if self.is_postgres else _lock_of(parsed)
        )
        try:
            self._prepare()
        except (sa.exc.DatabaseError, StoreError) as error:
            self.engine.dispose()
            if isinstance(error, StoreError):
                raise
            raise StoreError(
                f"cannot open {parsed.render_as_string()}: {error.orig}",
                wanted="a database that can be written",
                do="check path, rights and that it is a study database, or give another --database",
            ) from error

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One write transaction; when the block ends without an error, it is on disk."""
        with self._lock, self._writer.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One read transaction on a consistent snapshot."""
        with self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def _prepare(self) -> None:
        with self.write() as connection:
            if self.is_postgres:  # two servers may start at once
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(20190610)"))
            names = set(sa.inspect(connection).get_table_names())
            if not names & set(metadata.tables):
                metadata.create_all(connection)
                connection.execute(sa.insert(schema_info).values(version=SCHEMA_VERSION))
                return
            found = (
                connection.execute(sa.select(schema_info.c.version)).scalar()
                if schema_info.name in names
                else None
            )
        if found != SCHEMA_VERSION:
            raise StoreError(
                f"study database of schema version {found}",
                wanted=f"version {SCHEMA_VERSION}, which this release reads and writes",
                do="use the release that made it, or start a new database with another --database",
            )


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
        known = parsed.get_backend_name() in {"sqlite", "postgresql"}
    except sa.exc.ArgumentError:
        known = False
    if not known or (
        parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:")
    ):
        raise UsageError(
            f"store URL {url!r}",
            wanted="sqlite:///path/to/study.sqlite or postgresql+psycopg://user@host/name",
            do="give such a URL; a database in memory would lose every rating",
        )
    return parsed


def _lock_of(parsed: sa.URL) -> threading.Lock:
    path = str(Path(parsed.database or "").resolve())
    with _locks_guard:
        return _locks.setdefault(path, threading.Lock())


def _sqlite(parsed: sa.URL) -> sa.Engine:
    Path(parsed.database or "").resolve().parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        parsed,
        connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000},
        pool_size=10,
        max_overflow=50,
    )

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is sent below, not guessed by the driver
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={_BUSY_TIMEOUT_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def _postgres(parsed: sa.URL) -> sa.Engine:
    return sa.create_engine(parsed, pool_size=10, max_overflow=50, pool_pre_ping=True)
