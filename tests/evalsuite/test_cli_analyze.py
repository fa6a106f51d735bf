"""evalsuite analyze: groups, what a study's run says about its ratings, and refused requests."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner, Result

from evalsuite.cli import app
from evalsuite.errors import UnknownName, UsageError
from evalsuite.figures import order_figure
from evalsuite.files import sha256_file
from evalsuite.generate import generate
from evalsuite.manifest import Settings
from evalsuite.rating_times import drift_over_trials
from evalsuite.ratings import read_ratings
from evalsuite.registry import SystemRequest
from evalsuite.types import Utterance


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def value_of(*arguments: object) -> dict:
    return json.loads(call("analyze", *arguments, "--json").stdout)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated listeners of synthetic speech; the recording takes part as "truth"."""
    folder = tmp_path_factory.mktemp("analyze")
    utterances = []
    for index in range(4):
        path = folder / f"u{index}.wav"
        soundfile.write(path, np.random.default_rng(index).uniform(-0.1, 0.1, 22050), 22050)
        utterances.append(Utterance(path.stem, path, "", "", 1.0, sha256_file(path)))
    requests = [
        SystemRequest("truth", "original"),
        SystemRequest("baseline", "dummy"),
        SystemRequest("muffled", "anchor"),
        SystemRequest("other", "dummy"),
    ]
    generate(folder / "run", utterances, requests, Settings(), synthetic_speech=True)
    file = folder / "test.yaml"
    call("study", "new", folder / "run", "-o", file, "--listeners", 8,
         "--ratings-per-listener", 8)  # fmt: skip
    call("study", "simulate", file)
    return file


@pytest.fixture
def panels(tmp_path: Path) -> Path:
    """Two panels of four listeners, and one listener without a panel."""
    rows = [
        (f"l{listener}", system, f"u{utterance}", 1 + (listener + utterance + 2 * good) % 5,
         ["first", "second", None][listener // 4])
        for listener in range(9)
        for system, good in (("a", 1), ("b", 0))
        for utterance in range(7)
    ]  # fmt: skip
    columns = ["listener", "system", "utterance", "score", "panel"]
    path = tmp_path / "panels.parquet"
    pd.DataFrame(rows, columns=columns).assign(simulated=True).to_parquet(path)
    return path


@pytest.mark.parametrize("format", ["table", "md", "csv", "json", "latex", "html"])
def test_ratings_of_a_study_carry_the_stamps_of_its_run(study: Path, format: str) -> None:
    text = call("analyze", study, "--format", format).stdout
    assert "SIMULATED LISTENERS: 64 of 64" in text
    assert "SYNTHETIC SPEECH" in text


def test_a_run_that_is_gone_is_not_taken_for_real_speech(study: Path, tmp_path: Path) -> None:
    copied = tmp_path / "test.yaml"
    copied.write_text(study.read_text().replace('run: "run"', 'run: "gone"'))
    value = value_of(copied, "--database", f"sqlite:///{study.with_suffix('.sqlite')}")
    assert any("run gone of the study cannot be read" in note for note in value["notes"])


def test_the_recording_is_known_by_its_run_not_by_its_name(study: Path) -> None:
    lines = call("analyze", study).stdout.splitlines()
    marked = {line.split()[0] for line in lines if " * " in line}
    assert marked
    assert "truth" not in marked
    assert "muffled" not in marked  # anchors do not compete either
    rules = {one["rule"] for one in value_of(study)["screening"]}
    assert {"hidden_reference", "too_fast", "bt500"} <= rules


def test_answers_sooner_than_the_clip_are_told_by_the_clock(study: Path, tmp_path: Path) -> None:
    """Simulated listeners answer after the clip; a table moved in time says otherwise."""
    found = [one for one in value_of(study)["screening"] if one["rule"] == "too_fast"]
    assert [one["value"] for one in found] == [0.0] * 8
    assert not any(one["would_exclude"] for one in found)
    call("study", "export", study, "-o", tmp_path / "all.csv")
    elsewhere = value_of(tmp_path / "all.csv")  # no run, no lengths
    assert "too_fast" not in {one["rule"] for one in elsewhere["screening"]}
    with pytest.raises(UsageError, match="say nothing about too_fast"):
        call("analyze", tmp_path / "all.csv", "--apply-screening", "too_fast")


def test_the_session_of_an_exported_study_is_drawn_and_in_the_json(
    study: Path, tmp_path: Path
) -> None:
    path = tmp_path / "ratings.csv"
    call("study", "export", study, "-o", path)
    ratings = read_ratings(path)
    value = value_of(path)
    drift = drift_over_trials(ratings.frame)
    assert drift is not None
    assert value["drift"] == {
        "slope": pytest.approx(drift.slope),
        "half_width": pytest.approx(drift.half_width),
        "n_listeners": 8,
    }
    from evalsuite.analysis import analyse

    figure = order_figure(analyse(ratings), ratings)
    assert figure is not None
    axes = figure.axes[0]
    assert axes.get_title().startswith(f"drift {drift.slope:+.2f}")
    drawn = {float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "o"}
    assert drawn == set(range(1, 9))  # one block a trial of the session
    means = ratings.frame.pivot_table(index="listener", columns="system", values="score")
    listener = ratings.frame["listener"].iloc[0]
    expected = means.loc[listener].dropna()
    assert value["listener_means"][listener] == pytest.approx(expected.to_dict())


def test_names_of_the_ablation_only_where_the_study_follows_it(study: Path, tmp_path: Path) -> None:
    assert "baseline" in call("analyze", study).stdout
    text = study.read_text().replace('run: "run"', f'run: "{study.parent / "run"}"')
    source = "Kumar et al. 2019, arXiv 1910.06711, table 2"
    follows = tmp_path / "ablation.yaml"
    follows.write_text(text.replace('source: ""', f'source: "{source}"'))
    call("study", "simulate", follows)
    assert "Baseline (MelGAN)" in call("analyze", follows).stdout
    call("tables", tmp_path / "own", "--study", study, "--no-figures", "--formats", "md")
    assert not (tmp_path / "own" / "table2.md").exists()
    call("tables", tmp_path / "paper", "--study", follows, "--no-figures", "--formats", "md")
    assert "Baseline (MelGAN)" in (tmp_path / "paper" / "table2.md").read_text()
    assert "SYNTHETIC SPEECH" in (tmp_path / "paper" / "comparisons.md").read_text()


def test_groups_in_one_csv_and_nobody_lost(panels: Path) -> None:
    result = call("analyze", panels, "--by", "panel", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["panel"] for row in rows] == ["(no panel)"] * 2 + ["first"] * 2 + ["second"] * 2
    assert sum(int(row["n"]) for row in rows) == 9 * 2 * 7
    frame = pd.read_parquet(panels)
    for row in rows:
        own = frame["panel"].fillna("(no panel)") == row["panel"]
        mean = frame[own & (frame["system"] == row["system"])]["score"].mean()
        assert float(row["mos"]) == pytest.approx(mean)
    assert "SIMULATED LISTENERS: 56 of 56" in rows[2]["stamps"]
    assert "panel first: 56 of 56 ratings are simulated" in result.stderr


def test_groups_in_json_and_tables(panels: Path) -> None:
    value = value_of(panels, "--by", "panel")
    assert value["by"] == "panel"
    assert {name: group["n"] for name, group in value["groups"].items()} == {
        "(no panel)": 14, "first": 56, "second": 56,
    }  # fmt: skip
    text = call("analyze", panels, "--by", "panel", "--format", "latex").stdout
    assert r"\label{tab:mos-first}" in text
    assert r"\label{tab:mos-second}" in text


@pytest.mark.parametrize("text", ["", " , "])
def test_no_interval_method_is_refused(panels: Path, text: str) -> None:
    with pytest.raises(UsageError, match="names no method"):
        call("analyze", panels, "--intervals", text)


@pytest.mark.parametrize(("wrong", "right"), [("al", "all"), ("clustr2", "cluster2")])
def test_the_nearest_method_is_named(panels: Path, wrong: str, right: str) -> None:
    with pytest.raises(UnknownName, match=f"write '{right}'"):
        call("analyze", panels, "--intervals", f"{wrong}")


def test_at_99_percent_no_pair_differs_whose_interval_holds_0(tmp_path: Path) -> None:
    """A difference between the 95 and the 99 percent limits, at both."""
    generator = np.random.default_rng(7)
    shift = {"a": 1.0, "b": 0.0}
    rows = [
        (f"l{listener}", system, f"u{utterance}",
         float(np.clip(3 + shift[system] + generator.normal(0, 1.2), 1, 5)))
        for listener in range(5) for system in shift for utterance in range(6)
    ]  # fmt: skip
    path = tmp_path / "two.csv"
    frame = pd.DataFrame(rows, columns=["listener", "system", "utterance", "score"])
    frame.to_csv(path, index=False)
    (strict,) = value_of(path, "--confidence", "0.99")["comparisons"]
    (usual,) = value_of(path)["comparisons"]
    assert 0.01 < usual["p_holm"] < 0.05  # else this shows nothing
    assert usual["low"] > 0 > strict["low"]
    text = call("analyze", path, "--confidence", "0.99").stdout
    assert "differ at 0.01" in text
    assert "p after Holm below 0.01" in text
    letters = value_of(path, "--confidence", "0.99")["letters"]
    assert letters == {"a": "a", "b": "a"}
    assert value_of(path)["letters"] == {"a": "a", "b": "b"}


def test_the_default_report_imports_no_scipy_stats(panels: Path) -> None:
    """It would take longer to import than everything else a small report does."""
    code = (
        "import sys; from evalsuite.cli.analyze import analyze; from pathlib import Path; "
        f"analyze(Path({str(panels)!r})); print('scipy.stats' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "wilcoxon" not in done.stderr
    assert done.stderr.strip().endswith("False")
