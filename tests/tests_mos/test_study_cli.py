"""The verbs of ``evalsuite study``, as a program sees them."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from evalsuite.cli.rating_source import load_ratings
from evalsuite.cli.study import study_app
from evalsuite.errors import ConfigError, StudyChanged, UsageError
from evalsuite.ratings import read_ratings
from tests_mos.study import load_study


def call(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(study_app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def file(run: Path, tmp_path: Path) -> Path:
    path = tmp_path / "my study.yaml"
    call("new", run, "-o", path, "--listeners", 6, "--ratings-per-listener", 4)
    return path


def test_new_writes_a_valid_study_and_keeps_an_old_one(run: Path, file: Path) -> None:
    assert load_study(file).id == "my_study"
    before = file.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        call("new", run, "-o", file)
    assert file.read_bytes() == before
    call("new", run, "-o", file, "--force", "--ratings-per-stimulus", 3)
    assert load_study(file).ratings_per_stimulus == 3


def test_new_says_what_it_left_out(run: Path, tmp_path: Path) -> None:
    (run / "samples" / "melgan" / "LJ002.wav").write_bytes(b"damaged")
    result = call("new", run, "-o", tmp_path / "s.yaml")
    assert "left out, not intact for all systems: LJ002" in result.stderr


def test_new_says_which_systems_of_a_set_up_are_missing(run: Path, tmp_path: Path) -> None:
    result = call("new", run, "-o", tmp_path / "s.yaml", "--like", "melgan_table3")
    assert "so not in the study: waveglow, wavenet" in result.stderr


def test_validate_prints_the_proof(file: Path) -> None:
    text = call("validate", file).stdout
    assert "6 listeners x 4 trials = 24 ratings, 2 of each stimulus" in text
    assert "ok      ratings per stimulus: 2 (wanted: within 1)" in text
    assert "BROKEN" not in text
    facts = json.loads(call("validate", file, "--json").stdout)
    assert facts["passed"] is True
    assert facts["cells"] == {"low": 2, "high": 2}


def test_ratings_planned_twice_are_announced_and_all_analysed(run: Path, tmp_path: Path) -> None:
    """Two listeners for 48 ratings of 12 stimuli: each rates every stimulus twice."""
    file = tmp_path / "few.yaml"
    call("new", run, "-o", file, "--listeners", 2, "--ratings-per-stimulus", 4)
    text = call("validate", file).stdout
    assert "note    familiar utterances: a listener hears the same words again" in text
    assert "12 listeners x 4 trials would avoid it" in text
    assert "note    stimuli rated again: 24 of 48 ratings" in text
    assert "every one counts in the analysis" in text
    assert "4 listeners x 12 trials would avoid it" in text
    assert json.loads(call("validate", file, "--json").stdout)["repeated_ratings"] == 24

    call("simulate", file, "--lazy", 0)
    analysed = load_ratings(file)
    assert analysed.frame["system"].value_counts().to_dict() == dict.fromkeys(
        ["original", "melgan", "griffin_lim"], 16
    )
    assert "24 ratings are of a stimulus that the listener had rated" in analysed.notes[0]


def test_validate_announces_no_repeats_where_there_are_none(file: Path) -> None:
    assert "again" not in call("validate", file).stdout


def test_validate_fails_with_code_two(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A maker that breaks its promise is caught by the proof."""
    from tests_mos import publication
    from tests_mos.plans import Design

    def unbalanced(study: object, utterances: object) -> Design:
        good = publication_make(study, utterances)
        return Design(good.systems, good.utterances, (good.seats[0],) * 6)

    publication_make = publication.make_design
    monkeypatch.setattr(publication, "make_design", unbalanced)
    assert "BROKEN  ratings per stimulus" in call("validate", file, code=2).stdout
    with pytest.raises(ConfigError, match="ratings per stimulus"):
        call("publish", file)


def test_a_whole_trial_run(file: Path, tmp_path: Path) -> None:
    assert "6 seats, 6 free" in call("publish", file).stderr
    assert "6 seats, 6 free" in call("publish", file).stderr
    done = json.loads(call("simulate", file, "--seed", 3, "--json").stdout)
    assert (done["listeners"], done["ratings"]) == (6, 24)
    status = json.loads(call("status", file, "--json").stdout)
    assert status["seats"] == {"done": 6}
    assert status["rated"] == status["planned"]
    assert "SIMULATED: 24 ratings" in call("status", file).stdout
    table = tmp_path / "ratings.csv"
    assert "SIMULATED: 24 of them" in call("export", file, "-o", table).stderr
    assert read_ratings(table).n_simulated == 24


def test_simulation_says_that_it_is_one(file: Path) -> None:
    means = "original=4.4,melgan=3.6,griffin_lim=1.6"
    result = call("simulate", file, "--listeners", 3, "--means", means)
    assert "SIMULATED: 12 ratings of 3 listeners" in result.stderr
    assert "original 4.4" in result.stderr
    assert result.stdout == ""
    with pytest.raises(UsageError, match="--means 'original'"):
        call("simulate", file, "--means", "original")


def test_export_formats(file: Path, tmp_path: Path) -> None:
    call("simulate", file)
    call("export", file, "-o", tmp_path / "r.parquet")
    call("export", file, "-o", tmp_path / "r.csv")
    csv, parquet = pd.read_csv(tmp_path / "r.csv"), pd.read_parquet(tmp_path / "r.parquet")
    assert list(csv.columns) == list(parquet.columns)
    assert csv["score"].tolist() == parquet["score"].tolist()
    with pytest.raises(UsageError, match=r"\.csv or \.parquet"):
        call("export", file, "-o", tmp_path / "r.xlsx")


def test_verbs_that_read_make_no_database(file: Path, tmp_path: Path) -> None:
    for verb in (["status", file], ["release", file], ["export", file, "-o", tmp_path / "r.csv"]):
        with pytest.raises(UsageError, match="study publish"):
            call(*verb)
    with pytest.raises(UsageError, match="study publish"):
        load_ratings(file)  # where analyze, tables and report take their ratings from
    assert not list(tmp_path.glob("*.sqlite"))


def test_release_and_another_database(file: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.sqlite'}"
    call("publish", file, "--database", url)
    assert "0 seats given up" in call("release", file, "--database", url).stderr
    assert not file.with_suffix(".sqlite").exists()


def test_an_edited_study_is_refused(file: Path) -> None:
    call("publish", file)
    file.write_text(file.read_text().replace("seed: 0", "seed: 1"))
    with pytest.raises(StudyChanged, match="set version: 2"):
        call("publish", file)
