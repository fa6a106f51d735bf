"""The study database: the only place where ratings live, and the only code that touches it.

Promises
--------
- A rating is on disk before `Store.rate` returns; it is never changed or deleted.
- One submission per trial: repeats with the same key are harmless, others are refused.
- A seat belongs to one listener; two listeners never share one.
- Names of systems, utterances and files never leave through `SeatView` and `TrialView`.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pandas as pd
import sqlalchemy as sa

from evalsuite.errors import StoreError
from tests_mos import dealing, export, publishing, schema, sessions, submission
from tests_mos.engine import Database, default_url
from tests_mos.model import Study
from tests_mos.plans import Design
from tests_mos.seats import SeatView, StimulusFile, StudyStatus, TrialView

__all__ = [
    "SeatView",
    "StimulusFile",
    "Store",
    "StudyStatus",
    "TrialView",
    "default_url",
    "open_store",
]

_MAX_EXTERNAL_ID_LENGTH = 200
_IN_USE = ("claimed", "done")


def open_store(url: str) -> "Store":
    """Open a study database and make its tables if it is new.

    Parameters
    ----------
    url : ``sqlite:///path`` or ``postgresql+psycopg://…``; see `default_url`.

    Raises
    ------
    UsageError, StoreError as `tests_mos.engine.Database`.
    """
    return Store(Database(url))


class Store:
    """Operations on a study database; safe to share between threads.

    Every operation is one transaction. `now` is the server's time in seconds since 1970; tests
    and simulations give it, everyone else leaves it out. Use as a context manager or `close` it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules: dict[tuple[int | None, int | None], publishing.Rules] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    # -- studies ---------------------------------------------------------------------------------

    def publish(self, study: Study, design: Design, stimuli: Sequence[StimulusFile]) -> int:
        """Freeze a study with all its seats; returns its key.

        Publishing an equal study again changes nothing but the folder of its run, so that a moved
        run is found again.

        Raises
        ------
        StudyChanged if other values or other audio were published under this id and version.
        StoreError if the design and the stimuli do not fit together.
        """
        with self._database.write() as connection:
            return publishing.publish(connection, study, design, stimuli)

    def find_study(self, study: Study) -> int:
        """Key of a published study.

        Raises
        ------
        StoreError if it is not published, StudyChanged if it was published with other values.
        """
        with self._database.read() as connection:
            return publishing.find(connection, study)

    def release_expired(self, study_id: int, now: float | None = None) -> int:
        """Give up seats that were silent beyond the time-out and deal their plans again.

        `enter` does it by itself; returns how many seats were given up.
        """
        timeout_s = self._rules_of(study_id=study_id).timeout_s
        with self._database.write() as connection:
            return dealing.release(connection, study_id, timeout_s, _clock(now))

    def status(self, study_id: int) -> StudyStatus:
        """How many seats and ratings there are."""
        with self._database.read() as connection:
            return export.study_status(connection, study_id)

    def ratings(self, study_id: int) -> pd.DataFrame:
        """Return the ratings table; columns and meaning in `tests_mos.export.COLUMNS`."""
        with self._database.read() as connection:
            return export.ratings_frame(connection, study_id)

    # -- listeners -------------------------------------------------------------------------------

    def enter(
        self,
        study_id: int,
        external_id: str | None,
        *,
        attributes: Mapping[str, Any],
        simulated: bool = False,
        now: float | None = None,
    ) -> SeatView:
        """Seat a listener, or lead them back to their own seat.

        Parameters
        ----------
        external_id : the recruiting platform's id; None for an anonymous listener, who comes back
            by `seat_by_code` only.
        attributes : small JSON object, kept with the seat.
        simulated : no person; marks the seat, its ratings and the study.

        Raises
        ------
        StudyFull if no seat is free, SeatLost if the listener's own was dealt to someone else.
        """
        _check_external_id(external_id)
        kept = submission.checked_json(attributes, "attributes")
        rules, moment = self._rules_of(study_id=study_id), _clock(now)

        def once() -> SeatView:
            with self._database.write() as connection:
                own = external_id is not None and dealing.find_seat(
                    connection,
                    schema.seat.c.study_id == study_id,
                    schema.seat.c.external_id == external_id,
                )
                if own:
                    dealing.hold(connection, own, moment)
                    return sessions.seat_view(connection, own.id)
                dealing.release(connection, study_id, rules.timeout_s, moment)
                key = dealing.claim(
                    connection,
                    study_id,
                    external_id,
                    attributes=kept,
                    simulated=simulated,
                    now=moment,
                )
                if simulated:
                    mark = sa.update(schema.study).where(schema.study.c.id == study_id)
                    connection.execute(mark.values(simulated=True))
                return sessions.seat_view(connection, key)

        try:
            return once()
        except sa.exc.IntegrityError:
            return once()  # PostgreSQL: their other tab was seated first; now it is their own seat

    def seat_by_code(self, resume_code: str, *, now: float | None = None) -> SeatView | None:
        """Return the seat a resume code leads to; None if the code is unknown.

        Raises
        ------
        SeatLost if it was dealt to someone else meanwhile.
        """
        taken = schema.seat.c.status.not_in(["free", "void"])
        with self._database.read() as connection:
            query = sa.select(schema.seat.c.id, schema.seat.c.status)
            row = connection.execute(
                query.where(schema.seat.c.resume_code == resume_code, taken)
            ).first()
            if row is None:
                return None
            if row.status in _IN_USE:
                return sessions.seat_view(connection, row.id)
        self._hold(row.id, _clock(now))
        with self._database.read() as connection:
            return sessions.seat_view(connection, row.id)

    def next_trials(self, seat_id: int, n: int = 2, *, now: float | None = None) -> list[TrialView]:
        """Return the first `n` trials of the seat that are not rated, in order.

        Raises
        ------
        SeatLost if the seat was dealt to someone else meanwhile.
        """
        with self._database.read() as connection:
            status = connection.execute(
                sa.select(schema.seat.c.status).where(schema.seat.c.id == seat_id)
            )
            if status.scalar() in _IN_USE:
                return sessions.next_trials(connection, seat_id, n)
        self._hold(seat_id, _clock(now))
        with self._database.read() as connection:
            return sessions.next_trials(connection, seat_id, n)

    def rate(
        self,
        seat_id: int,
        trial_id: int,
        scores: Sequence[float],
        *,
        submit_key: str,
        telemetry: Mapping[str, Any],
        now: float | None = None,
    ) -> bool:
        """Store the scores of one trial; on disk when this returns.

        Returns
        -------
        True if stored now, False if this very submission was already stored.

        Raises
        ------
        Conflict, SeatLost, StoreError as `tests_mos.submission.record`.
        """
        rules = self._rules_of(seat_id=seat_id)
        given = submission.Submission(trial_id, tuple(scores), submit_key, telemetry)
        with self._database.write() as connection:
            return submission.record(
                connection,
                seat_id,
                given,
                allowed=rules.allowed,
                completion_code=rules.completion_code,
                now=_clock(now),
            )

    def withdraw(self, seat_id: int, *, now: float | None = None) -> None:
        """The listener takes back consent: nothing of theirs is exported from now on."""
        with self._database.write() as connection:
            row = dealing.find_seat(connection, schema.seat.c.id == seat_id)
            if row is not None and row.status != "withdrawn":
                dealing.withdraw(connection, row, _clock(now))

    def log(
        self,
        seat_id: int | None,
        kind: str,
        payload: Mapping[str, Any],
        *,
        now: float | None = None,
    ) -> None:
        """Add a line to the event log; kind is at most 40 characters."""
        kept, moment = submission.checked_json(payload, "payload"), _clock(now)
        with self._database.write() as connection:
            of_seat = sa.select(schema.seat.c.study_id).where(schema.seat.c.id == seat_id)
            study_id = connection.execute(of_seat).scalar()
            dealing.log_event(connection, study_id, seat_id, kind[:40], kept, moment)

    def audio_path(self, token: str) -> Path | None:
        """File behind an audio token; None if the token is unknown or the file not in the run."""
        query = (
            sa.select(schema.study.c.run, schema.stimulus.c.path)
            .select_from(sa.join(schema.slot, schema.stimulus).join(schema.study))
            .where(schema.slot.c.token == token)
        )
        with self._database.read() as connection:
            found = connection.execute(query).first()
        if found is None:
            return None
        run = Path(found.run).resolve()
        path = (run / found.path).resolve()
        return path if path.is_relative_to(run) and path.is_file() else None

    def reveal(self, token: str) -> tuple[str, str]:
        """System and utterance behind a token: for simulation and tests, never for a listener."""
        query = (
            sa.select(schema.stimulus.c.system, schema.stimulus.c.utterance)
            .select_from(sa.join(schema.slot, schema.stimulus))
            .where(schema.slot.c.token == token)
        )
        with self._database.read() as connection:
            system, utterance = connection.execute(query).one()
        return str(system), str(utterance)

    # -- helpers ---------------------------------------------------------------------------------

    def _hold(self, seat_id: int, now: float) -> None:
        """Give a lost seat back if nobody has it; SeatLost otherwise."""
        with self._database.write() as connection:
            row = dealing.find_seat(connection, schema.seat.c.id == seat_id)
            if row is None:
                raise StoreError(
                    f"seat {seat_id}", wanted="a seat that enter() gave", do="enter the study"
                )
            dealing.hold(connection, row, now)

    def _rules_of(
        self, *, study_id: int | None = None, seat_id: int | None = None
    ) -> publishing.Rules:
        """Rules never change once published, so they are read once."""
        key = (study_id, seat_id)
        if key not in self._rules:
            with self._database.read() as connection:
                found = publishing.read_rules(connection, study_id=study_id, seat_id=seat_id)
            self._rules[key] = self._rules.setdefault((found.study_id, None), found)
        return self._rules[key]


def _clock(now: float | None) -> float:
    return time.time() if now is None else now


def _check_external_id(external_id: str | None) -> None:
    if external_id is not None and not 1 <= len(external_id) <= _MAX_EXTERNAL_ID_LENGTH:
        raise StoreError(
            f"listener id of {len(external_id)} characters",
            wanted=f"1 to {_MAX_EXTERNAL_ID_LENGTH} characters",
            do="pass the recruiting platform's id, or None",
        )
