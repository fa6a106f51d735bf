"""Putting a study into the database: its values, its stimuli and every seat, in one go."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from evalsuite.errors import StoreError, StudyChanged
from evalsuite.files import sha256_json
from tests_mos import schema
from tests_mos.dealing import deal
from tests_mos.model import Study
from tests_mos.plans import Design
from tests_mos.seats import StimulusFile

__all__ = ["Rules", "find", "publish", "read_rules"]


@dataclass(frozen=True)
class Rules:
    """What the store needs to know of a published study; frozen with it."""

    study_id: int
    allowed: tuple[int, ...]
    timeout_s: float
    completion_code: str | None


def publish(
    connection: sa.Connection, study: Study, design: Design, stimuli: Sequence[StimulusFile]
) -> int:
    """Freeze a study with all its seats, or find the equal one; returns its key.

    Raises
    ------
    StudyChanged, StoreError as `tests_mos.store.Store.publish`.
    """
    cells = _check_stimuli(design, stimuli)
    known = _row_of(connection, study)
    if known is not None:
        _require_equal(known, study, _hash_stimuli(stimuli))
        moved = sa.update(schema.study).where(schema.study.c.id == known.id)
        connection.execute(moved.values(run=str(stimuli[0].run)))
        return int(known.id)
    study_id = connection.execute(
        sa.insert(schema.study)
        .values(
            name=study.id,
            version=study.version,
            config=study.model_dump(mode="json", exclude={"run"}),
            config_sha256=study.digest,
            stimuli_sha256=_hash_stimuli(stimuli),
            run=str(stimuli[0].run),
            simulated=False,
            created_at=time.time(),
        )
        .returning(schema.study.c.id)
    ).scalar_one()
    inserted = connection.execute(
        sa.insert(schema.stimulus).returning(schema.stimulus.c.id, sort_by_parameter_order=True),
        [_stimulus_row(study_id, file) for file in stimuli],
    ).scalars()
    key_of = dict(zip(cells, inserted, strict=True))
    plans = [
        (index, [[key_of[cell] for cell in planned.stimuli] for planned in plan])
        for index, plan in enumerate(design.seats)
    ]
    deal(connection, study_id, plans)
    return int(study_id)


def find(connection: sa.Connection, study: Study) -> int:
    """Key of a published study.

    Raises
    ------
    StoreError if it is not published, StudyChanged if it was published with other values.
    """
    known = _row_of(connection, study)
    if known is None:
        raise StoreError(
            f"study {study.id!r} version {study.version} is not in the database",
            wanted="a published study",
            do="publish it with evalsuite study publish, or give its --database",
        )
    _require_equal(known, study, known.stimuli_sha256)
    return int(known.id)


def read_rules(
    connection: sa.Connection, *, study_id: int | None = None, seat_id: int | None = None
) -> Rules:
    """Rules of a study, found by its key or by one of its seats.

    Raises
    ------
    StoreError if there is no such study or seat.
    """
    query = sa.select(schema.study.c.id, schema.study.c.config)
    if study_id is not None:
        query = query.where(schema.study.c.id == study_id)
    else:
        query = query.join(schema.seat).where(schema.seat.c.id == seat_id)
    found = connection.execute(query).first()
    if found is None:
        raise StoreError(
            f"study {study_id}, seat {seat_id}",
            wanted="a key that publish() or enter() gave",
            do="publish the study or enter it",
        )
    return Rules(
        study_id=found.id,
        allowed=tuple(int(score) for score in found.config["scale"]["labels"]),
        timeout_s=60.0 * found.config["seat_timeout_minutes"],
        completion_code=found.config["completion"]["code"],
    )


def _row_of(connection: sa.Connection, study: Study) -> Any:
    query = sa.select(schema.study).where(
        schema.study.c.name == study.id, schema.study.c.version == study.version
    )
    return connection.execute(query).first()


def _hash_stimuli(stimuli: Sequence[StimulusFile]) -> str:
    return sha256_json(sorted([file.system, file.utterance, file.sha256] for file in stimuli))


def _require_equal(known: Any, study: Study, stimuli_sha256: str) -> None:
    changed = [
        what
        for what, differs in (
            ("values", known.config_sha256 != study.digest),
            ("audio files", known.stimuli_sha256 != stimuli_sha256),
        )
        if differs
    ]
    if changed:
        raise StudyChanged(
            f"study {study.id!r} version {study.version} is published with other "
            + " and ".join(changed),
            wanted="the study as it was published: its ratings belong to that",
            do=f"undo the change, or set version: {study.version + 1}",
        )


def _check_stimuli(design: Design, stimuli: Sequence[StimulusFile]) -> list[tuple[str, str]]:
    """(system, utterance) of each stimulus; the design must name these and no others."""
    keys = [(file.system, file.utterance) for file in stimuli]
    planned = {cell for plan in design.seats for planned in plan for cell in planned.stimuli}
    missing = sorted(planned - set(keys))
    if missing or len(set(keys)) != len(keys) or len({file.run for file in stimuli}) != 1:
        raise StoreError(
            f"{len(keys)} stimuli for a design of {len(planned)}; without a file: {missing[:5]}",
            wanted="one file of one run for each stimulus of the design",
            do="make design and stimuli from the same study and run",
        )
    return keys


def _stimulus_row(study_id: int, file: StimulusFile) -> dict[str, Any]:
    return {
        "study_id": study_id,
        "system": file.system,
        "utterance": file.utterance,
        "path": file.path.as_posix(),
        "sha256": file.sha256,
        "duration_s": file.duration_s,
    }
