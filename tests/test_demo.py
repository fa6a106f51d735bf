"""The demo as a user starts it, in an empty folder; then once more, which must redo nothing."""

import csv
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("espeakng_loader")
pytest.importorskip("pyworld")

SYSTEMS = {"original", "anchor", "griffin_lim", "world", "telephone"}
if find_spec("torch"):
    SYSTEMS |= {"our_melgan"}


def run_demo(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evalsuite", "demo", "--no-serve"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo")
    run_demo(path)
    return path / "evalsuite-demo"


def test_ratings_cover_every_system_and_are_marked(folder: Path) -> None:
    rows = list(csv.DictReader((folder / "ratings.csv").read_text().splitlines()))
    assert {row["system"] for row in rows} == SYSTEMS
    assert {row["simulated"] for row in rows} == {"True"}
    assert len(rows) == 24 * 8
    assert len({(row["listener"], row["utterance"]) for row in rows}) == len(rows)


def test_table_is_what_the_ratings_say(folder: Path) -> None:
    ratings = list(csv.DictReader((folder / "ratings.csv").read_text().splitlines()))
    table = list(csv.DictReader((folder / "tables" / "table3.csv").read_text().splitlines()))
    ours = {row["system"]: row for row in table if row["mos"]}
    for system, shown in (("original", "Original"), ("world", "WORLD")):
        scores = [float(row["score"]) for row in ratings if row["system"] == system]
        assert float(ours[shown]["mos"]) == pytest.approx(sum(scores) / len(scores), abs=1e-9)


@pytest.mark.parametrize(
    "name", ["report.html", "tables/table3.md", "tables/table3.tex", "tables/table3.csv"]
)
def test_everything_says_simulated_and_synthetic(folder: Path, name: str) -> None:
    text = (folder / name).read_text().lower()
    assert "simulated" in text
    assert "synthetic" in text


def test_samples_are_matched(folder: Path) -> None:
    manifest = json.loads((folder / "run" / "manifest.json").read_text())
    assert manifest["synthetic_speech"] is True
    by_utterance: dict[str, set[int]] = {}
    for sample in manifest["samples"]:
        by_utterance.setdefault(sample["utterance"], set()).add(sample["n_samples"])
        assert sample["loudness_lufs"] == pytest.approx(-23, abs=0.3)
    assert len(by_utterance) == 8
    assert all(len(lengths) == 1 for lengths in by_utterance.values())


def test_second_run_makes_nothing_again(folder: Path) -> None:
    again = run_demo(folder.parent)
    assert "0 samples made" in again.stderr
    assert "0 ratings of 0 listeners added" in again.stderr
