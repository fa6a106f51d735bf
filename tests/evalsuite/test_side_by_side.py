"""Many utterances at once in `generate`: same bytes, nothing lost, nothing made twice."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parent))

import choir as choir_module

from evalsuite.corpus import load_corpus
from evalsuite.dummy import Dummy
from evalsuite.files import sha256_file
from evalsuite.finishing import Assignment, UtteranceTask
from evalsuite.generate import GenerateResult, Progress, generate
from evalsuite.manifest import Settings, read_manifest
from evalsuite.registry import parse_systems
from evalsuite.side_by_side import plan_groups, width
from evalsuite.types import Utterance, Waveform

choir = choir_module.choir
#: Seconds; 'a' is the longest.
LENGTHS_S = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6, "e": 0.5}
Make = Callable[..., GenerateResult]


@pytest.fixture
def corpus(tmp_path: Path, speech: Waveform) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number, (name, length_s) in enumerate(LENGTHS_S.items()):
        samples = speech.samples[3000 * number :][: round(22050 * length_s)]
        soundfile.write(folder / f"{name}.wav", samples, 22050, subtype="PCM_16")
    return folder


@pytest.fixture
def make(tmp_path: Path, corpus: Path) -> Make:
    def run(systems: str, folder: str = "run", **options: object) -> GenerateResult:
        utterances = load_corpus(corpus).utterances
        requests = parse_systems(systems)
        return generate(tmp_path / folder, utterances, requests, Settings(), **options)  # type: ignore[arg-type]

    return run


@dataclass(frozen=True)
class Calls:
    """What the choir noted."""

    together: list[set[str]]
    alone: list[str]


def calls(log: Path) -> Calls:
    """Read the choir's log, and begin it anew."""
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    noted = [(how, ids.split()) for how, _, ids in (line.partition(" ") for line in lines)]
    return Calls(
        [set(ids) for how, ids in noted if how == "together"],
        [id for how, ids in noted if how == "alone" for id in ids],
    )


def hashes(run: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in (run / "samples").rglob("*.wav")}


@pytest.mark.parametrize(("jobs", "n_groups"), [(1, 1), (2, 2)])
def test_samples_are_those_of_one_by_one(
    make: Make, choir: Path, tmp_path: Path, jobs: int, n_groups: int
) -> None:
    make("sung=dummy", "alone")
    result = make(f"sung=choir:{choir}", jobs=jobs)
    noted = calls(choir)
    assert (result.made, result.vocoded, result.failed, result.setbacks) == (5, 5, [], ())
    assert len(noted.together) == n_groups
    assert set.union(*noted.together) == set(LENGTHS_S)
    assert noted.alone == []
    assert hashes(tmp_path / "run") == hashes(tmp_path / "alone")
    assert len(list((tmp_path / "run").glob("mels/*/*.npy"))) == 5
    assert make(f"sung=choir:{choir}", jobs=jobs).vocoded == 0
    assert not choir.exists()


def test_a_lane_count_without_a_way_of_its_own_changes_nothing(
    make: Make, choir: Path, tmp_path: Path
) -> None:
    make("sung=dummy", "alone")
    assert make("sung=solo").vocoded == 5
    assert hashes(tmp_path / "run") == hashes(tmp_path / "alone")


def test_force_makes_everything_once_and_the_same(make: Make, choir: Path, tmp_path: Path) -> None:
    make(f"sung=choir:{choir}")
    before = hashes(tmp_path / "run")
    calls(choir)
    result = make(f"sung=choir:{choir}", force=True)
    assert (result.made, result.vocoded) == (5, 5)
    assert calls(choir) == Calls([set(LENGTHS_S)], [])
    assert hashes(tmp_path / "run") == before


def test_a_stopped_group_keeps_what_it_finished(make: Make, choir: Path, tmp_path: Path) -> None:
    def stop(state: Progress) -> None:
        if state.vocoded_s > LENGTHS_S["e"] + LENGTHS_S["d"] + LENGTHS_S["c"]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(f"original,sung=choir:{choir}", progress=stop)
    assert read_manifest(tmp_path / "run").samples == ()
    calls(choir)
    result = make(f"original,sung=choir:{choir}")
    assert calls(choir) == Calls([{"a", "b"}], [])
    assert (result.made, result.vocoded) == (10, 7)


def test_a_killed_group_keeps_what_it_finished(
    make: Make, choir: Path, tmp_path: Path, corpus: Path
) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from evalsuite.corpus import load_corpus\n"
        "from evalsuite.generate import Settings, generate\n"
        "from evalsuite.registry import parse_systems\n"
        "utterances = load_corpus(Path(sys.argv[1])).utterances\n"
        "generate(Path(sys.argv[2]), utterances, parse_systems(sys.argv[3]), Settings())\n"
    )
    line = [sys.executable, "-c", code, corpus, tmp_path / "run"]
    line.append(f"sung=choir:{choir}?hangs_after=3")
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "hanging\n"
        killed.kill()
    assert killed.returncode == -9
    assert not (tmp_path / "run" / "manifest.json").exists()
    calls(choir)
    result = make(f"sung=choir:{choir}")
    assert calls(choir) == Calls([{"a", "b"}], [])
    assert (result.made, result.vocoded) == (5, 2)
    make("sung=dummy", "alone")
    assert hashes(tmp_path / "run") == hashes(tmp_path / "alone")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bad_utterance_fails_alone_and_its_neighbours_stay_together(
    make: Make, choir: Path, jobs: int
) -> None:
    result = make(f"sung=choir:{choir}?bad=c", jobs=jobs)
    noted = calls(choir)
    assert [(f.utterance, f.kind) for f in result.failed] == [("c", "VocoderError")]
    assert "c is out of tune" in result.failed[0].reason
    assert "RuntimeError: c is out of tune" in result.setbacks[0]
    assert result.vocoded == 4
    # Nobody but the culprit is ever tried alone, and what was finished before is not made again.
    assert noted.alone == ["c"]
    assert sum("e" in ids for ids in noted.together) == 1


def test_features_that_cannot_be_computed_fail_their_sample_only(
    make: Make, choir: Path, corpus: Path
) -> None:
    result = make(f"original,sung=choir:{choir}?deaf=b")
    assert [(f.utterance, f.system, f.kind) for f in result.failed] == [("b", "sung", "AudioError")]
    assert calls(choir) == Calls([{"a", "c", "d", "e"}], [])
    assert (result.made, result.setbacks) == (9, ())


def test_a_recording_that_vanished_is_reported_once_for_each_system(
    tmp_path: Path, choir: Path, corpus: Path
) -> None:
    utterances, requests = load_corpus(corpus).utterances, parse_systems(f"original,choir:{choir}")
    (corpus / "b.wav").unlink()
    result = generate(tmp_path / "run", utterances, requests, Settings())
    assert [(f.utterance, f.system) for f in result.failed] == [("b", "original"), ("b", "choir")]
    assert len(result.manifest.samples) == 8


def test_a_dead_process_fails_what_it_did_not_store(
    make: Make, choir: Path, tmp_path: Path
) -> None:
    """Of the groups a, c, e and b, d, the first is killed after e."""
    result = make(f"original,sung=choir:{choir}?deadly=c", jobs=2)
    failed = {f.utterance for f in result.failed}
    assert {"a", "c"} <= failed <= {"a", "b", "c", "d"}
    assert {f.system for f in result.failed} == {"sung"}
    assert all("a worker process died" in f.reason for f in result.failed)
    assert result.made == 10 - len(failed)
    assert calls(choir).alone == []
    mended = make(f"original,sung=choir:{choir}")
    assert mended.vocoded == len(failed)
    assert mended.failed == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_moves_within_a_group_and_reaches_the_end(
    make: Make, choir: Path, jobs: int
) -> None:
    seen: list[Progress] = []
    make(f"original,sung=choir:{choir}", progress=seen.append, jobs=jobs)
    total_s = sum(LENGTHS_S.values())
    vocoded_s = [state.vocoded_s for state in seen]
    assert [state.to_vocode_s for state in seen] == pytest.approx([total_s] * len(seen))
    assert vocoded_s == sorted(vocoded_s)
    assert vocoded_s[0] == 0
    assert vocoded_s[-1] == pytest.approx(total_s)
    # In this process every chunk is heard; of others at least the last word of each group.
    assert len(set(vocoded_s)) > (20 if jobs == 1 else 2)
    assert all(state.done == 0 for state in seen if state.vocoded_s < total_s - 1e-9)
    assert [state.done for state in seen[-6:]] == [0, 2, 4, 6, 8, 10]
    assert seen[-1].audio_s == pytest.approx(2 * total_s)


def test_progress_does_not_fall_when_a_group_begins_anew(make: Make, choir: Path) -> None:
    seen: list[Progress] = []
    make(f"sung=choir:{choir}?bad=b", progress=seen.append)
    vocoded_s = [state.vocoded_s for state in seen]
    assert vocoded_s == sorted(vocoded_s)
    assert vocoded_s[-1] == pytest.approx(sum(LENGTHS_S.values()))


def facts(run: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in run.glob("cache/raw/*/*.json")]


def test_a_dry_run_counts_and_estimates_what_groups_took(
    make: Make, choir: Path, tmp_path: Path
) -> None:
    assert make(f"sung=choir:{choir}", dry_run=True).estimated_s is None
    assert not (tmp_path / "run").exists()
    make(f"sung=choir:{choir}")
    stored = facts(tmp_path / "run")
    assert {fact["lanes"] for fact in stored} == {3}
    plan = make(f"sung=choir:{choir}", dry_run=True, force=True)
    assert (plan.made, plan.vocoded) == (5, 5)
    paces = [float(fact["seconds"]) / float(fact["audio_s"]) for fact in stored]  # type: ignore[arg-type]
    lengths_s = sum(LENGTHS_S.values())
    assert min(paces) * lengths_s <= plan.estimated_s <= max(paces) * lengths_s * 1.01


def test_an_utterance_takes_its_share_of_the_time_by_length(
    make: Make, choir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that moves 2 s at every look: at the beginning, and at each that is finished."""
    now = iter(range(0, 1000, 2))
    monkeypatch.setattr("evalsuite.side_by_side.time.perf_counter", lambda: float(next(now)))
    make(f"sung=choir:{choir}")
    by_length = sorted(facts(tmp_path / "run"), key=lambda fact: float(fact["audio_s"]))  # type: ignore[arg-type]
    made_s = 0.0
    for number, fact in enumerate(by_length, start=1):
        audio_s = float(fact["audio_s"])  # type: ignore[arg-type]
        made_s += audio_s
        share = audio_s / made_s  # up to the chunk that progress is told in
        assert float(fact["seconds"]) == pytest.approx(2 * number * share, rel=0.2)  # type: ignore[arg-type]


def some_tasks(n_utterances: int) -> list[UtteranceTask]:
    return [
        UtteranceTask(
            Utterance(f"u{n}", Path("x.wav"), "", "", 1.0 + (n * 37 % 101) / 10, "00"),
            tuple(Assignment(label, "", f"{label}{n}", None, n, False) for label in ("x", "y")),
        )
        for n in range(n_utterances)
    ]


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("n_utterances", [1, 7, 64, 400])
def test_processes_get_equal_shares_of_what_is_missing(jobs: int, n_utterances: int) -> None:
    many, plain, lanes = Dummy(), Dummy(), 16
    many.lanes = lanes
    tasks = some_tasks(n_utterances)
    groups = plan_groups(tasks, {"x": many, "y": plain}, lambda one: one.raw_key != "x3", jobs=jobs)
    members = [member for group in groups for member in group.members]
    expected = {task.utterance.id for task in tasks} - {"u3"}
    assert {member.utterance.id for member in members} == expected
    assert len(members) == len(expected)
    assert {group.label for group in groups} == {"x"}
    assert len(groups) == min(len(expected), jobs) or len(groups) % jobs == 0
    for group in groups:
        assert len(group.members) <= 4 * lanes
        assert group.lanes == width(lanes, len(expected), jobs)
        lengths_s = [member.utterance.duration_s for member in group.members]
        assert lengths_s == sorted(lengths_s, reverse=True)
    longest_s = max(task.utterance.duration_s for task in tasks)
    lengths_s = [group.audio_s for group in groups]
    assert max(lengths_s) - min(lengths_s) <= longest_s


def test_one_lane_gives_every_utterance_a_group_of_its_own() -> None:
    one = Dummy()
    one.lanes = 1
    groups = plan_groups(some_tasks(5), {"x": one, "y": Dummy()}, lambda _: True, jobs=2)
    assert [len(group.members) for group in groups] == [1] * 5
    assert [g.audio_s for g in groups] == sorted((g.audio_s for g in groups), reverse=True)
