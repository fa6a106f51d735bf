"""Tables of the study database; the same for SQLite and PostgreSQL.

*Conventions* Times are seconds since 1970 UTC on the server's clock. Ratings and events are only
ever added: a withdrawal is an event and a seat status, never a deletion.
"""

import sqlalchemy as sa

__all__ = [
    "SCHEMA_VERSION",
    "event",
    "metadata",
    "rating",
    "schema_info",
    "seat",
    "slot",
    "stimulus",
    "study",
    "trial",
]

SCHEMA_VERSION = 1

metadata = sa.MetaData()

# SQLite numbers rows by itself only if the key is declared INTEGER.
_Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _key() -> sa.Column[int]:
    return sa.Column("id", _Key, primary_key=True)


def _belongs_to(table: str, *, nullable: bool = False, index: bool = False) -> sa.Column[int]:
    return sa.Column(
        f"{table}_id", _Key, sa.ForeignKey(f"{table}.id"), nullable=nullable, index=index
    )


schema_info = sa.Table("schema_info", metadata, sa.Column("version", sa.Integer, nullable=False))

study = sa.Table(
    "study",
    metadata,
    _key(),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("config", sa.JSON, nullable=False),
    sa.Column("config_sha256", sa.String(64), nullable=False),
    sa.Column("stimuli_sha256", sa.String(64), nullable=False),
    sa.Column("run", sa.Text, nullable=False),  # folder that holds the audio, on this machine
    sa.Column("simulated", sa.Boolean, nullable=False),  # holds, or held, simulated listeners
    sa.Column("created_at", sa.Float, nullable=False),
    sa.UniqueConstraint("name", "version"),
)

stimulus = sa.Table(
    "stimulus",
    metadata,
    _key(),
    _belongs_to("study"),
    sa.Column("system", sa.String(200), nullable=False),
    sa.Column("utterance", sa.String(200), nullable=False),
    sa.Column("path", sa.Text, nullable=False),  # relative to the run
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("duration_s", sa.Float, nullable=False),
    sa.UniqueConstraint("study_id", "system", "utterance"),
)

seat = sa.Table(
    "seat",
    metadata,
    _key(),
    _belongs_to("study"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("plan", sa.Integer, nullable=False),  # index into the design; copies share it
    # The given-up seat whose plan this one repeats.
    sa.Column("replaces_id", _Key, sa.ForeignKey("seat.id"), index=True),
    # free | claimed | done | lost | withdrawn | void (a copy whose original came back)
    sa.Column("status", sa.String(12), nullable=False),
    sa.Column("external_id", sa.String(200)),  # of the recruiting platform; never exported
    sa.Column("resume_code", sa.String(32), nullable=False, unique=True),
    sa.Column("completion_code", sa.String(80)),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Column("claimed_at", sa.Float),
    sa.Column("last_seen", sa.Float),
    sa.UniqueConstraint("study_id", "number"),
    sa.UniqueConstraint("study_id", "external_id"),
    sa.Index("ix_seat_deal", "study_id", "status", "plan", "number"),
)

trial = sa.Table(
    "trial",
    metadata,
    _key(),
    _belongs_to("seat"),
    sa.Column("position", sa.Integer, nullable=False),  # 0-based
    sa.UniqueConstraint("seat_id", "position"),
)

slot = sa.Table(
    "slot",
    metadata,
    _key(),
    _belongs_to("trial"),
    sa.Column("slot", sa.Integer, nullable=False),  # 0-based
    _belongs_to("stimulus"),
    sa.Column("token", sa.String(32), nullable=False, unique=True),
    sa.UniqueConstraint("trial_id", "slot"),
)

rating = sa.Table(
    "rating",
    metadata,
    _key(),
    _belongs_to("trial"),
    sa.Column("slot", sa.Integer, nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("submit_key", sa.String(80), nullable=False),
    sa.Column("telemetry", sa.JSON, nullable=False),
    sa.Column("shown_at", sa.Float),
    sa.Column("submitted_at", sa.Float, nullable=False),
    sa.UniqueConstraint("trial_id", "slot"),
    sa.UniqueConstraint("submit_key", "slot"),
)

event = sa.Table(
    "event",
    metadata,
    _key(),
    _belongs_to("study", nullable=True, index=True),
    _belongs_to("seat", nullable=True, index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)
