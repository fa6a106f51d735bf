from collections.abc import Callable
from pathlib import Path

import pytest

from evalsuite.errors import ConfigError, ManifestError, UnknownName
from tests_mos.design import make_design, prove
from tests_mos.samples import find_stimuli, usable_utterances
from tests_mos.study import (
    Study,
    UtteranceDraw,
    load_study,
    load_template,
    new_study,
    template_names,
    write_study,
)

MINIMAL = """\
id: small
instructions: Listen.
consent: Voluntary.
run: run
systems: [original, melgan, griffin_lim]
utterances: [LJ000, LJ001, LJ002, LJ003]
listeners: 6
ratings_per_listener: 4
"""

MakeRun = Callable[[Path, tuple[str, ...], tuple[str, ...]], Path]


def load(tmp_path: Path, text: str) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study(path)


def test_minimal_study_has_the_p800_scale(tmp_path: Path) -> None:
    study = load(tmp_path, MINIMAL)
    assert study.scale.shown == (
        (5, "Excellent"),
        (4, "Good"),
        (3, "Fair"),
        (2, "Poor"),
        (1, "Bad"),
    )
    assert study.run == tmp_path / "run"  # meant from the file's folder, not from here
    assert (study.min_coverage, study.seed, study.language) == (0.98, 0, "en")


def test_order_of_the_scale(tmp_path: Path) -> None:
    study = load(tmp_path, MINIMAL + "scale: {order: worst_first}\n")
    assert [score for score, _ in study.scale.shown] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("listeners: 6", "listners: 6", "line 7: unknown key 'listners'.*write 'listeners'"),
        ("listeners: 6", "listeners: 0", "line 7: listeners = 0"),
        ("listeners: 6", "listeners: yes", "line 7: listeners = True"),
        ("id: small", "id: a b", "line 1: id = 'a b'"),
        ("melgan, griffin_lim", "original", "each name once; repeated: original"),
        ("ratings_per_listener: 4", "", "exactly one of ratings_per_stimulus"),
        (
            "ratings_per_listener: 4",
            "ratings_per_listener: 4\nratings_per_stimulus: 2",
            "exactly one of ratings_per_stimulus",
        ),
        ("ratings_per_listener: 4", "ratings_per_listener: 1", "6 ratings for 12 stimuli"),
        ("[LJ000, LJ001, LJ002, LJ003]", "[]", "line 6: utterances"),
        ("[LJ000, LJ001, LJ002, LJ003]", "{count: 3, sed: 1}", "line 6: unknown key.*'seed'"),
        ("consent: Voluntary.", "", "'consent' is missing"),
        ("run: run", "min_coverage: 1.2", "line 4: min_coverage = 1.2"),
        ("run: run", "completion: {url: 'javascript:x'}", "line 4: completion.url"),
    ],
)
def test_what_a_study_may_not_say(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, MINIMAL.replace(old, new))


@pytest.mark.parametrize(
    ("target", "trials", "each"),
    [
        ("ratings_per_listener: 4", 4, (2, 2)),
        ("ratings_per_listener: 5", 5, (2, 3)),
        ("ratings_per_stimulus: 2", 4, (2, 2)),
        ("ratings_per_stimulus: 3", 6, (3, 3)),
        ("ratings_per_stimulus: 1", 2, (1, 1)),
    ],
)
def test_plan_follows_from_one_number(
    tmp_path: Path, target: str, trials: int, each: tuple[int, int]
) -> None:
    plan = load(tmp_path, MINIMAL.replace("ratings_per_listener: 4", target)).plan()
    assert (plan.trials_per_listener, plan.ratings_per_stimulus) == (trials, each)


def test_rounding_up_never_gives_fewer_ratings_than_asked(tmp_path: Path) -> None:
    text = MINIMAL.replace("ratings_per_listener: 4", "ratings_per_stimulus: 3")
    plan = load(tmp_path, text.replace("listeners: 6", "listeners: 7")).plan()
    assert plan.trials_per_listener == 6  # 36 ratings over 7 listeners
    assert plan.ratings_per_stimulus == (3, 4)


def test_digest_is_of_the_test_and_not_of_the_place(tmp_path: Path) -> None:
    study = load(tmp_path, MINIMAL)
    assert load(tmp_path, MINIMAL.replace("run: run", "run: /elsewhere")).digest == study.digest
    assert load(tmp_path, MINIMAL + "seed: 1\n").digest != study.digest
    assert load(tmp_path, MINIMAL + "scale: {order: worst_first}\n").digest != study.digest


def test_new_study_takes_what_the_run_has(run: Path) -> None:
    study = new_study(run)
    assert study.systems == ("original", "melgan", "griffin_lim")
    assert study.utterances == ("LJ000", "LJ001", "LJ002", "LJ003")
    assert study.plan().ratings_per_stimulus[0] >= 4


def test_new_study_leaves_damaged_samples_out(run: Path) -> None:
    (run / "samples" / "melgan" / "LJ002.wav").write_bytes(b"something else")
    (run / "samples" / "original" / "LJ000.wav").unlink()
    assert new_study(run).utterances == ("LJ001", "LJ003")
    usable = usable_utterances(run)
    assert usable.left_out == ("LJ000", "LJ002")


def test_new_study_draws(run: Path) -> None:
    study = new_study(run, n_utterances=2, seed=5)
    assert study.utterances == UtteranceDraw(count=2, seed=5)
    with pytest.raises(ConfigError, match="9 utterances wanted, 4 usable"):
        new_study(run, n_utterances=9)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"ratings_per_stimulus": 4, "ratings_per_listener": 9},
            "ratings_per_stimulus 4 and ratings_per_listener 9. Wanted: one of the two: the other "
            "one follows from it. To fix: leave one of them out.",
        ),
        (
            {"listeners": 200_000},
            "listeners = 200000. Wanted: Input should be less than or equal to 100000. "
            "To fix: correct the value.",
        ),
        (
            {"ratings_per_listener": 0},
            "ratings_per_listener = 0. Wanted: Input should be greater than or equal to 1. "
            "To fix: correct the value.",
        ),
    ],
)
def test_values_that_make_no_study_are_named(run: Path, options: dict[str, int], says: str) -> None:
    with pytest.raises(ConfigError) as found:
        new_study(run, **options)  # type: ignore[arg-type]
    assert str(found.value) == says


def test_written_study_reads_back_equal(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "study.yaml"
    study = new_study(run, n_utterances=2).model_copy(
        update={"title": 'A "test": #1 of {two}', "instructions": "One.\n  Two.\n\nThree: #4"}
    )
    write_study(study, path)
    assert load_study(path) == study
    assert 'run: "../run"' in path.read_text()
    assert "  # shown to listeners" in path.read_text()


def test_written_study_reads_back_with_block_texts(run: Path, tmp_path: Path) -> None:
    write_study(new_study(run), tmp_path / "study.yaml")
    assert load_study(tmp_path / "study.yaml") == new_study(run)
    assert "instructions: |-\n" in (tmp_path / "study.yaml").read_text()


@pytest.mark.parametrize("name", ["melgan_table2", "melgan_table3", "melgan_table4"])
def test_ready_made_studies(name: str, make_run: MakeRun, tmp_path: Path) -> None:
    template = load_template(name)
    assert template.run is None
    with pytest.raises(ConfigError, match="names no run"):
        find_stimuli(template)
    names = tuple(f"u{index:02d}" for index in range(25))
    run = make_run(tmp_path / "run", (*template.systems, "further"), names)
    study = new_study(run, like=name, study_id="mine")
    assert set(study.systems) == set(template.systems)
    assert study.plan().n_ratings == 3000  # 200 listeners x 15, as recalled
    stimuli = find_stimuli(study)
    design = make_design(study, tuple(dict.fromkeys(s.utterance for s in stimuli)))
    assert prove(design).passed


def test_ready_made_study_of_fewer_systems(run: Path) -> None:
    study = new_study(run, like="melgan_table3")
    assert set(study.systems) == {"original", "griffin_lim", "melgan"}


def test_unknown_ready_made_study(run: Path) -> None:
    assert template_names() == ["melgan_table2", "melgan_table3", "melgan_table4"]
    with pytest.raises(UnknownName, match="melgan_table3"):
        new_study(run, like="melgan_table9")


def test_a_run_without_the_systems(run: Path) -> None:
    with pytest.raises(ConfigError, match="has the systems original, melgan, griffin_lim"):
        new_study(run, like="melgan_table2")
    with pytest.raises(ManifestError):
        new_study(run / "nowhere")


def test_stimuli_are_checked_against_the_manifest(study: Study) -> None:
    assert study.run is not None
    stimuli = find_stimuli(study)
    assert len(stimuli) == 12
    assert {stimulus.duration_s for stimulus in stimuli} == {2.0}
    (study.run / "samples" / "melgan" / "LJ001.wav").write_bytes(b"changed")
    with pytest.raises(ManifestError, match="melgan/LJ001: file changed"):
        find_stimuli(study)
    (study.run / "samples" / "melgan" / "LJ001.wav").unlink()
    with pytest.raises(ManifestError, match="melgan/LJ001: file is missing"):
        find_stimuli(study)


def test_draw_is_seeded_and_only_of_common_utterances(study: Study) -> None:
    def drawn(seed: int) -> set[str]:
        chosen = study.model_copy(update={"utterances": UtteranceDraw(count=2, seed=seed)})
        return {stimulus.utterance for stimulus in find_stimuli(chosen)}

    assert drawn(1) == drawn(1)
    assert len({tuple(sorted(drawn(seed))) for seed in range(10)}) > 1
    too_many = study.model_copy(update={"utterances": UtteranceDraw(count=5)})
    with pytest.raises(ConfigError, match="draws 5 utterances; 4 are spoken"):
        find_stimuli(too_many)
