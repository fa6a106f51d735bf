"""The paper's own outputs as a study: made, checked, served, rated in a browser, analysed.

Ten systems on eight utterances: the recordings and nine MelGAN variants of the authors' demo page.
One listener rates in a real browser; the other seats are simulated, and marked so.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from browser_listener import begin, rate_all
from listening_site import serving

from tests_mos.store import default_url, open_store

pytestmark = [pytest.mark.browser, pytest.mark.speech, pytest.mark.slow]

LISTENERS = 10


def evalsuite(*arguments: object, wanted_code: int = 0) -> str:
    command = [sys.executable, "-m", "evalsuite", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == wanted_code, (done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


@pytest.fixture(scope="module")
def folders(data: Path) -> dict[str, Path]:
    """System -> folder of its eight files."""
    ablation = data / "melgan-demo" / "ablation"
    found = {path.name: path for path in sorted(ablation.iterdir())}
    assert len(found) == 10
    return found


def test_gate_reports_what_the_raw_files_suffer_from(folders: dict[str, Path]) -> None:
    named = [
        f"{name}={path}?name={'original' if name == 'original' else 'generated'}_{{id}}.wav"
        for name, path in folders.items()
    ]
    output = evalsuite(
        "check", "--folders", ",".join(named), "--reference", "original", "--json", wanted_code=1
    )
    findings = json.loads(output)["findings"]
    length = [one for one in findings if one["fault"] == "length"]
    assert {one["system"] for one in length} == set(folders) - {"original"}
    assert {one["measured"] for one in length} == {-136}
    level = [one for one in findings if one["fault"] == "level"]
    assert len({one["utterance"] for one in level}) == 8
    assert max(one["measured"] for one in level) > 3


@pytest.fixture(scope="module")
def study(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of the levelled and trimmed samples, eight trials for each of ten listeners."""
    folder = tmp_path_factory.mktemp("real")
    with (folder / "corpus.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "path", "speaker", "text"])
        for index in range(8):
            rows.writerow([index, folders["original"] / f"original_{index}.wav", "linda", ""])
    systems = ["--systems", "original"]
    for name in sorted(set(folders) - {"original"}):
        text = f"{name}=recorded:{folders[name]}?name=generated_{{id}}.wav"
        systems += ["--system", text]
    run, path = folder / "run", folder / "test.yaml"
    evalsuite("generate", run, "--corpus", folder / "corpus.csv", *systems)
    report = json.loads(evalsuite("check", run, "--json"))
    assert [one for one in report["findings"] if one["severity"] == "error"] == []
    evalsuite(
        "study", "new", run, "-o", path, "--listeners", LISTENERS, "--ratings-per-listener", 8
    )
    evalsuite("study", "publish", path)
    return path


def test_rated_in_a_browser_exported_and_analysed(study: Path, window: Any) -> None:
    answers: dict[tuple[str, str], int] = {}

    def score(_: int, url: str) -> int:
        with open_store(default_url(study)) as store:
            system, utterance = store.reveal(url.rsplit("/", 1)[-1])
        # A listener whose answer tells which sample was played.
        answers[system, utterance] = 5 if system == "original" else 1 + len(system) % 4
        return answers[system, utterance]

    with serving(study) as site:
        page = window.new_page()
        begin(page, site.url)
        assert len(rate_all(page, score)) == 8
        page.get_by_text("completion code").first.wait_for()
    evalsuite("study", "simulate", study, "--listeners", LISTENERS - 1, "--allow-mixed")

    table = study.with_name("ratings.csv")
    evalsuite("study", "export", study, "-o", table)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    person = {
        (row["system"], row["utterance"]): float(row["score"])
        for row in rows
        if row["simulated"] == "False"
    }
    assert person == answers
    assert len(rows) == 8 * LISTENERS
    assert all(float(row["heard_fraction"]) >= 0.98 for row in rows)

    result = json.loads(evalsuite("analyze", study, "--json"))
    assert {one["system"]: one["n"] for one in result["systems"]} == dict.fromkeys(
        {row["system"] for row in rows}, 8
    )
    for one in result["systems"]:
        scores = [float(row["score"]) for row in rows if row["system"] == one["system"]]
        assert one["mean"] == pytest.approx(sum(scores) / len(scores))
        assert set(one["intervals"]) >= {"paper", "t", "cluster2"}
    assert any("simulated" in text.lower() for text in result["warnings"])

    results = study.with_name("results")
    evalsuite("tables", results, "--study", study, "--table", 2, "--no-figures")
    text = (results / "table2.md").read_text()
    assert "SIMULATED LISTENERS: 72 of 80 ratings" in text
    assert "w/ Spectral Normalization" in text and "1.33" in text
