"""From a run and its ratings to the page, the tables and the figures, through the verbs."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from evalsuite.cli.analyze import analyze
from evalsuite.cli.report import report
from evalsuite.cli.tables import tables
from evalsuite.errors import EvalsuiteError, ManifestError, RatingsError, UsageError
from evalsuite.files import sha256_file
from evalsuite.generate import generate
from evalsuite.manifest import Settings, read_manifest, write_manifest
from evalsuite.registry import SystemRequest
from evalsuite.report.players import make_grid
from evalsuite.types import Utterance

VERBS = {"analyze": analyze, "tables": tables, "report": report}
TEXT = 'He said "<b>no</b>" & left'


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Three utterances of noise by two systems: the chain does not need speech."""
    folder = tmp_path_factory.mktemp("report")
    utterances = []
    for index in range(3):
        path = folder / f"u{index}.wav"
        noise = np.random.default_rng(index).uniform(-0.1, 0.1, 22050)
        soundfile.write(path, noise, 22050)
        utterances.append(Utterance(path.stem, path, "", TEXT, 1.0, sha256_file(path)))
    requests = [SystemRequest("original", "original"), SystemRequest("anchor", "anchor")]
    generate(folder / "run", utterances, requests, Settings(), synthetic_speech=True)
    return folder / "run"


@pytest.fixture(scope="module")
def ratings(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ratings") / "ratings.csv"
    rows = [
        (f"l{listener}", system, f"u{utterance}", 1 + (listener + utterance + 2 * best) % 5)
        for listener in range(4)
        for system, best in (("original", 1), ("anchor", 0))
        for utterance in range(3)
    ]
    frame = pd.DataFrame(rows, columns=["listener", "system", "utterance", "score"])
    frame.assign(simulated=True).to_csv(path, index=False)
    return path


def call(verb: str, *arguments: object):
    """Run a verb as the command line does; errors come back as themselves."""
    app = typer.Typer()
    app.command()(VERBS[verb])
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    if isinstance(result.exception, EvalsuiteError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


class Page(HTMLParser):
    """What a browser would find."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.tags if found == tag]


@pytest.fixture(scope="module")
def html(run, ratings, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    call("report", run, "--ratings", ratings, "-o", path, "--players", 2)
    return path.read_text(encoding="utf-8")


def test_page_is_well_formed_and_needs_nothing_else(html: str) -> None:
    page = Page(html)
    assert page.open == []
    assert not page.all("script")
    assert not page.all("link")
    sources = [one["src"] or "" for one in page.all("audio") + page.all("img")]
    assert all(source.startswith("data:") for source in sources)
    assert not re.search(r"https?://", html)


def test_players_hold_the_samples_bit_by_bit(html: str, run: Path) -> None:
    players = Page(html).all("audio")
    assert [one["aria-label"] for one in players] == [
        "u0, original", "u0, anchor", "u1, original", "u1, anchor",
    ]  # fmt: skip
    kind, _, data = (players[1]["src"] or "").partition(";base64,")
    assert kind == "data:audio/flac"
    embedded, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="int16")
    sample, sample_rate = soundfile.read(run / "samples" / "anchor" / "u0.wav", dtype="int16")
    assert rate == sample_rate
    assert np.array_equal(embedded, sample)


def test_what_makes_it_no_result_stands_on_top(html: str) -> None:
    page = Page(html)
    banners = [attributes for attributes in page.all("p") if attributes.get("class") == "banner"]
    assert len(banners) == 2
    head = page.text.split("Results")[0]
    assert "SIMULATED LISTENERS: 24 of 24 ratings" in head
    assert "SYNTHETIC SPEECH" in head


def test_every_player_stands_under_its_system_and_utterance(html: str) -> None:
    listen = html.partition('id="listen"')[2].partition("</section>")[0]
    blocks = listen.split("<h3>")[1:]
    assert [block.partition("</h3>")[0] for block in blocks] == ["u0", "u1"]
    for block in blocks:
        shown = re.findall(r'class="system">([^<]+)<.*?aria-label="u\d, (\w+)"', block, re.DOTALL)
        assert shown == [("Original", "original"), ("Anchor (low-passed)", "anchor")]


def test_texts_of_utterances_are_escaped(html: str) -> None:
    assert TEXT in Page(html).text
    assert "<b>" not in html


def test_tables_checklist_and_provenance_are_there(html: str, run: Path, ratings: Path) -> None:
    text = Page(html).text
    for part in (
        "covers new listeners and new sentences",
        "24 (simulated) by 4 listeners of 6 stimuli, 4.0 a stimulus",
        "Screening of listeners",
        "-23 LUFS (ITU-R BS.1770)",
        sha256_file(ratings),
        read_manifest(run).systems[1].fingerprint[:16],
    ):
        assert part in text
    assert text.count("not stated") >= 5  # no study was given, and the page says so


def test_every_image_says_what_it_shows(html: str) -> None:
    images = Page(html).all("img")
    assert len(images) == 2
    assert all(len(image["alt"] or "") > 20 for image in images)


def test_page_before_anyone_has_listened(run: Path, tmp_path) -> None:
    call("report", run, "-o", tmp_path / "page.html", "--no-check", "--players", 1)
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert len(page.all("audio")) == 2
    assert not page.all("img")
    assert "none yet" in page.text


def test_linked_players_point_to_the_files(run: Path, tmp_path) -> None:
    path = tmp_path / "deep" / "page.html"
    call("report", run, "-o", path, "--link-audio", "--no-check")
    for player in Page(path.read_text(encoding="utf-8")).all("audio"):
        assert (path.parent / (player["src"] or "")).is_file()


def test_a_sample_that_was_deleted_is_named(run: Path) -> None:
    manifest = read_manifest(run)
    gone = manifest.samples[0].model_copy(update={"path": "samples/original/gone.wav"})
    broken = manifest.model_copy(update={"samples": (gone, *manifest.samples[1:])})
    with pytest.raises(ManifestError, match=r"gone\.wav"):
        make_grid(run, broken, systems=["original"])


def test_a_sample_that_was_never_made_leaves_a_gap(run: Path, tmp_path) -> None:
    manifest = read_manifest(run)
    partial = manifest.model_copy(update={"samples": manifest.samples[1:]})
    write_manifest(tmp_path, partial)
    grid = make_grid(run, partial, systems=["original", "anchor"])
    missing = [player for row in grid.rows for player in row.players if not player.source]
    assert len(missing) == 1


def test_tables_writes_every_format_and_the_figures(run, ratings, tmp_path) -> None:
    result = call("tables", tmp_path, "--run", run, "--ratings", ratings, "--table", 3, "--json")
    written = {Path(path).name for path in json.loads(result.stdout)["written"]}
    tables = ("table3", "comparisons", "screening")
    figures = ("mos", "scores", "significance", "ranks", "listeners")
    assert written == {
        *[f"{name}.{suffix}" for name in tables for suffix in ("md", "csv", "json", "tex")],
        *[f"{name}.{suffix}" for name in figures for suffix in ("pdf", "png")],
    }
    assert {path.name for path in tmp_path.iterdir()} == written
    assert "SYNTHETIC SPEECH" in (tmp_path / "table3.md").read_text(encoding="utf-8")


def test_tables_without_a_printed_counterpart_are_plain(ratings, tmp_path) -> None:
    call("tables", tmp_path, "--ratings", ratings, "--formats", "md", "--no-figures")
    text = (tmp_path / "mos.md").read_text(encoding="utf-8")
    assert "published" not in text
    assert "| Original | 12 | 4 | 3 |" in text


def test_tables_needs_something_to_make_a_table_of(run, ratings, tmp_path) -> None:
    with pytest.raises(UsageError, match="neither ratings nor a benchmark"):
        call("tables", tmp_path, "--run", run)
    with pytest.raises(UsageError, match="one source of ratings"):
        call("tables", tmp_path, "--ratings", ratings, "--study", "study.yaml")
    with pytest.raises(UsageError, match="--names has 'ours'"):
        call("tables", tmp_path, "--ratings", ratings, "--names", "ours")


def test_analyze_prints_json_for_machines(ratings) -> None:
    value = json.loads(call("analyze", ratings, "--json").stdout)
    frame = pd.read_csv(ratings)
    means = frame.groupby("system")["score"].mean()
    assert {one["system"]: one["mean"] for one in value["systems"]} == pytest.approx(
        means.to_dict()
    )
    for one in value["systems"]:
        for name in ("paper", "cluster2"):
            interval = one["intervals"][name]
            centre = (interval["low"] + interval["high"]) / 2
            assert centre == pytest.approx(one["mean"])
            assert interval["high"] - centre == pytest.approx(interval["half_width"])


@pytest.mark.parametrize("format", ["table", "md", "csv", "latex"])
def test_analyze_writes_every_format_to_a_file(ratings, tmp_path, format: str) -> None:
    path = tmp_path / "out"
    result = call("analyze", ratings, "--format", format, "-o", path)
    assert result.stdout == ""
    assert "SIMULATED LISTENERS" in path.read_text(encoding="utf-8")


def test_analyze_refuses_before_it_reads(tmp_path) -> None:
    with pytest.raises(EvalsuiteError, match="'xlsx' is not a table format"):
        call("analyze", tmp_path / "none.csv", "--format", "xlsx")
    with pytest.raises(UsageError, match="--scale"):
        call("analyze", tmp_path / "none.csv", "--scale", "5,1")
    with pytest.raises(UsageError, match="--duplicates"):
        call("analyze", tmp_path / "none.csv", "--duplicates", "drop")
    with pytest.raises(RatingsError, match="is not a file"):
        call("analyze", tmp_path / "none.csv")


def test_analyze_a_study_equals_analyze_its_export(run, tmp_path) -> None:
    from tests_mos.publication import publish_file
    from tests_mos.simulate import simulate_listeners
    from tests_mos.store import default_url, open_store
    from tests_mos.study import new_study, write_study

    path = tmp_path / "study.yaml"
    write_study(
        new_study(run, study_id="s", n_utterances=3, listeners=4, ratings_per_stimulus=2), path
    )
    with pytest.raises(UsageError, match="has no database"):
        call("analyze", path)
    with open_store(default_url(path)) as store:
        key, study = publish_file(path, store)
        simulate_listeners(store, key, study, seed=1)
        store.ratings(key).to_csv(tmp_path / "export.csv", index=False)
    ours = json.loads(call("analyze", path, "--json").stdout)
    exported = json.loads(call("analyze", tmp_path / "export.csv", "--json").stdout)
    assert ours["systems"] == exported["systems"]
    assert ours["simulated"] is True
    call("report", run, "--study", path, "-o", tmp_path / "page.html", "--no-check")
    assert study.question in Page((tmp_path / "page.html").read_text(encoding="utf-8")).text
