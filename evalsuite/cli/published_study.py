"""The database of a published study, for the verbs that read or change what is in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.errors import UsageError

if TYPE_CHECKING:
    from tests_mos.store import Store
    from tests_mos.study import Study

__all__ = ["open_published"]


@contextmanager
def open_published(
    path: Path, database: str | None = None
) -> Iterator[tuple["Store", int, "Study"]]:
    """Open the database of a study that is published there; never makes a new database.

    Parameters
    ----------
    path : the study file.
    database : URL; None for the SQLite file beside the study.

    Returns
    -------
    The open store, the study's key in it, and the study.

    Raises
    ------
    UsageError if there is no such database; ConfigError, StudyChanged and others as
    `tests_mos.study.load_study` and `tests_mos.store.Store.find_study`.
    """
    from tests_mos.store import default_url, open_store
    from tests_mos.study import load_study

    study = load_study(path)
    url = database or default_url(path)
    file = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not file.is_file():
        raise UsageError(
            f"{path} has no database at {file}",
            wanted="a published study",
            do=f"run evalsuite study publish {path}, or name its --database",
        )
    with open_store(url) as store:
        yield store, store.find_study(study), study
