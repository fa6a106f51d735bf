"""A run of tiny files, a study on it, and a store on each database that is at hand."""

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from evalsuite.files import sha256_file
from evalsuite.manifest import (
    Manifest,
    SampleRecord,
    Settings,
    SystemRecord,
    UtteranceRecord,
    write_manifest,
)
from tests_mos.design import make_design
from tests_mos.samples import find_stimuli
from tests_mos.store import Store, open_store
from tests_mos.study import Study

sys.path.insert(0, str(Path(__file__).parent / "support"))

SYSTEMS = ("original", "melgan", "griffin_lim")
UTTERANCES = tuple(f"LJ{index:03d}" for index in range(4))


def system_record(label: str) -> SystemRecord:
    return SystemRecord(
        label=label,
        vocoder=label,
        family="reference" if label == "original" else "neural",
        conditioning="mel",
        sample_rate=None,
        spec="none",
        spec_digest="0",
        version="1",
        deterministic=True,
        trained=None,
        untrained=False,
        n_parameters=None,
        n_parameters_with_weight_norm=None,
        weights_sha256=None,
        licence="MIT",
        source="",
        config={},
        fingerprint="0",
    )


def sample_record(run: Path, system: str, utterance: str) -> SampleRecord:
    path = run / "samples" / system / f"{utterance}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"sound of {utterance} by {system}".encode())
    return SampleRecord(
        system=system,
        utterance=utterance,
        path=path.relative_to(run).as_posix(),
        sha256=sha256_file(path),
        sample_rate=22050,
        n_samples=44100,
        gain_db=0.0,
        loudness_lufs=-23.0,
        delay_s=0.0,
        seed=0,
    )


def utterance_record(name: str) -> UtteranceRecord:
    return UtteranceRecord(
        id=name,
        path=f"{name}.wav",
        sha256="0",
        speaker="",
        text="",
        duration_s=2.0,
        n_samples=44100,
    )


def write_run(run: Path, systems: tuple[str, ...], utterances: tuple[str, ...]) -> Path:
    manifest = Manifest(
        settings=Settings(),
        systems=tuple(system_record(label) for label in systems),
        utterances=tuple(utterance_record(name) for name in utterances),
        samples=tuple(sample_record(run, s, u) for s in systems for u in utterances),
    )
    write_manifest(run, manifest)
    return run


@pytest.fixture
def make_run() -> Callable[[Path, tuple[str, ...], tuple[str, ...]], Path]:
    """Make a run of the given systems and utterances in a folder."""
    return write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three systems, four utterances, two seconds each by the manifest."""
    return write_run(tmp_path / "run", SYSTEMS, UTTERANCES)


@pytest.fixture
def study(run: Path) -> Study:
    """Six listeners, four trials each: two ratings of every stimulus."""
    return Study(
        id="small",
        instructions="Listen.",
        consent="Voluntary.",
        run=run,
        systems=SYSTEMS,
        utterances=UTTERANCES,
        listeners=6,
        ratings_per_listener=4,
    )


@pytest.fixture
def publish() -> Callable[[Store, Study], int]:
    """Publish a study with its own design and samples."""

    def _publish(store: Store, study: Study) -> int:
        stimuli = find_stimuli(study)
        utterances = tuple(dict.fromkeys(stimulus.utterance for stimulus in stimuli))
        return store.publish(study, make_design(study, utterances), stimuli)

    return _publish


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database; PostgreSQL only where EVALSUITE_TEST_POSTGRES names a server."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.sqlite'}"
        return
    server = os.environ.get("EVALSUITE_TEST_POSTGRES")
    if not server:
        pytest.skip("EVALSUITE_TEST_POSTGRES names no server")
    schema = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(server)
    try:
        with engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema(schema))
        options = sa.make_url(server).update_query_dict({"options": f"-csearch_path={schema}"})
        yield options.render_as_string(hide_password=False)
        with engine.begin() as connection:
            connection.execute(sa.schema.DropSchema(schema, cascade=True))
    finally:
        engine.dispose()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def study_id(store: Store, study: Study, publish: Callable[[Store, Study], int]) -> int:
    """The small study, published."""
    return publish(store, study)
