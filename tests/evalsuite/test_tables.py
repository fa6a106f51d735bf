"""Tables of scores and speed: golden files, matching with printed rows, escaping, stamps."""

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalsuite.analysis import Analysis, analyse
from evalsuite.benchmark import Benchmark, BenchmarkSettings, Skipped, SystemSpeed
from evalsuite.errors import UnknownName
from evalsuite.ratings import ratings_from_frame
from evalsuite.tables.comparisons import comparison_table, screening_table
from evalsuite.tables.mos import best_match, mos_table
from evalsuite.tables.names import ABLATION_NAMES, display_name, match_key, paper_names
from evalsuite.tables.published import PublishedRow, PublishedTable
from evalsuite.tables.render import FORMATS, SUFFIXES, render
from evalsuite.tables.speed import speed_table
from evalsuite.tables.table import Column, Row, Table
from tests_mos.published import published_table

GOLDEN = Path(__file__).parents[1] / "data"
SCORES = {"original": 5, "melgan": 4, "griffin_lim": 2, "world": 3}


def scored(shifts: dict[str, int] | None = None, *, simulated: bool = False) -> Analysis:
    """Three listeners x four utterances of each system, scores that differ by rule."""
    rows = [
        {
            "listener": f"l{listener}",
            "system": system,
            "utterance": f"u{utterance}",
            "score": max(1, score - (listener + utterance + score) % 3 // 2 - (utterance == score)),
            "simulated": simulated,
        }
        for system, score in (shifts or SCORES).items()
        for listener in range(3)
        for utterance in range(4)
    ]
    return analyse(ratings_from_frame(pd.DataFrame(rows), source="ratings.csv", sha256="0" * 64))


def speed(label: str, khz: float, **changes) -> SystemSpeed:
    return SystemSpeed(
        **{
            "label": label, "vocoder": label, "family": "neural", "conditioning": "mel",
            "weights": "random", "weights_sha256": None, "n_parameters": 4_260_257,
            "n_parameters_with_weight_norm": 4_265_953, "device": "cpu",
            "device_name": "Some CPU", "dtype": "float32", "threads": 1, "n_samples": 44100,
            "seconds": [44.1 / khz] * 5, "speed_khz": khz, "speed_khz_min": 0.9 * khz,
            "speed_khz_max": 1.1 * khz, "spread": 0.2, "real_time_factor": 22.05 / khz,
            "analysis_s": 0.01, "load_s": 1.0, "cpu_share": 1.0, "load_average": 0.1,
            "loaded": False,
        }
        | changes
    )  # fmt: skip


def benchmark(*systems: SystemSpeed, skipped=()) -> Benchmark:
    return Benchmark(
        settings=BenchmarkSettings(), systems=list(systems), skipped=list(skipped), provenance={}
    )


def rows_of(table: Table) -> dict[str, Row]:
    return {str(row.values["system"]): row for row in table.rows}


def score_table3() -> Table:
    return mos_table(scored(simulated=True), published=published_table(3))


def speed_table1() -> Table:
    wavenet = Skipped(name="wavenet", reason="no weights", how="import them")
    gpu = speed("melgan", 2496.0, device="cuda", device_name="Some GPU")
    dsp = speed(
        "griffin_lim", 61.27, weights="none", n_parameters=None, n_parameters_with_weight_norm=None,
        family="dsp", dtype="float64", loaded=True,
    )  # fmt: skip
    return speed_table(
        [benchmark(speed("melgan", 51.93), dsp, skipped=[wavenet]), benchmark(gpu)],
        published=published_table(1),
    )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("name", "build"), [("table3-v1", score_table3), ("table1-v1", speed_table1)]
)
def test_golden(name: str, build, format: str) -> None:
    expected = GOLDEN / f"{name}{SUFFIXES[format]}"
    assert render(build(), format) == expected.read_text(encoding="utf-8")


def test_rows_stand_beside_their_printed_counterparts() -> None:
    rows = rows_of(score_table3())
    assert list(rows) == ["Original", "MelGAN", "WORLD", "Griffin-Lim", "WaveGlow", "WaveNet"]
    assert rows["MelGAN"].values["published_mos"] == 3.61
    assert rows["WORLD"].values.get("published_mos") is None
    assert rows["WaveGlow"].values.get("mos") is None
    assert rows["Original"].values["n"] == 12


def test_the_best_system_is_never_the_recording() -> None:
    alone = replace(scored(), inference=None)
    best = [name for name, row in rows_of(mos_table(alone)).items() if row.best]
    assert best == ["MelGAN"]
    named = mos_table(alone, standards={"melgan", "original"})
    assert [name for name, row in rows_of(named).items() if row.best] == ["WORLD"]


def test_systems_not_told_apart_from_the_best_share_its_emphasis() -> None:
    """Three listeners and four sentences tell little apart: only the letters say so."""
    rows = rows_of(score_table3())
    shared = set(str(rows["MelGAN"].values["letters"]))
    for name, row in rows.items():
        letters = set(str(row.values.get("letters", "")))
        assert row.best == (name != "Original" and bool(letters & shared))


def test_equal_best_systems_share_the_emphasis() -> None:
    rows = rows_of(mos_table(scored({"original": 5, "a": 4, "b": 4, "c": 2})))
    assert [name for name, row in rows.items() if row.best] == ["a", "b"]


def test_every_ablation_folder_has_its_row_in_table_2() -> None:
    printed = {match_key(row.name) for row in published_table(2).rows}
    folders = [
        "baseline", "spectral_norm", "l1_observed_space", "no_patch_gan", "no_dilations",
        "no_multiscale_disc", "no_weight_norm",
    ]  # fmt: skip
    assert {match_key(ABLATION_NAMES[folder]) for folder in folders} == printed


def test_a_baseline_is_the_papers_only_where_its_table_is_meant() -> None:
    assert display_name("baseline") == "baseline"
    analysis = scored({"baseline": 4, "no_dilations": 2})
    own = rows_of(mos_table(analysis))
    assert list(own) == ["baseline", "no_dilations"]
    asked = mos_table(analysis, published=published_table(2), names=paper_names(2))
    assert rows_of(asked)["Baseline (MelGAN)"].values["published_mos"] is not None
    assert paper_names(None) == paper_names(3) == {}


@pytest.mark.parametrize(
    ("systems", "number"),
    [
        (["original", "griffin_lim", "melgan"], 3),
        (["original", "baseline", "no_dilations"], None),
        (["original", "w/o Dilated Convolutions"], 2),
        (["original", "hifigan"], None),
    ],
)
def test_the_table_with_most_shared_systems_is_chosen(systems, number) -> None:
    found = best_match(systems, [published_table(one) for one in (3, 2, 4)])
    assert (found.number if found else None) == number


def test_names_given_decide_the_match() -> None:
    table = mos_table(
        scored({"ours": 4, "other": 2}), published=published_table(3), names={"ours": "MelGAN"}
    )
    assert rows_of(table)["MelGAN"].values["published_half_width"] == 0.06


def test_csv_holds_plain_numbers_only() -> None:
    table = score_table3()
    rows = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert "±" not in render(table, "csv")
    one = rows[1]
    interval = scored().systems[1].intervals["cluster2"]
    assert float(one["cluster2_low"]) == pytest.approx(interval.low, rel=1e-11)
    assert float(one["cluster2_half_width"]) == pytest.approx(interval.half_width, rel=1e-11)
    assert rows[-1]["mos"] == ""
    assert all("SIMULATED LISTENERS" in row["stamps"] for row in rows)
    assert sum(int(one[f"count_{point}"]) for point in range(1, 6)) == 12


def test_stamps_are_in_every_format() -> None:
    table = mos_table(scored(simulated=True), stamps=["UNTRAINED WEIGHTS: melgan"])
    for format in FORMATS:
        text = render(table, format)
        assert "SIMULATED LISTENERS: 48 of 48 ratings" in text
        assert "UNTRAINED WEIGHTS: melgan" in text
    assert "SIMULATED" not in render(mos_table(scored()), "md")


def test_footer_says_what_is_covered_and_where_it_is_from() -> None:
    footer = " ".join(score_table3().footer)
    for part in (
        "48 ratings by 3 listeners of 4 utterances",
        "covers these ratings only",
        "covers new listeners and new sentences",
        "not comparable in significance",
        "sha256 " + "0" * 64,
    ):
        assert part in footer


def test_a_stand_in_is_marked_where_it_is_printed() -> None:
    frame = pd.DataFrame(
        {"listener": ["a"] * 3, "system": "m", "utterance": list("xyz"), "score": [2, 3, 5]}
    )
    table = mos_table(analyse(ratings_from_frame(frame, source="r")))
    text = render(table, "md")
    assert " (t) |" in text
    assert "cluster2 is undefined with one listener" in text


def test_undefined_is_empty_and_null_never_zero_or_nan() -> None:
    frame = pd.DataFrame({"listener": ["a"], "system": "m", "utterance": "x", "score": [2]})
    table = mos_table(analyse(ratings_from_frame(frame, source="r")))
    row = json.loads(render(table, "json"))["rows"][0]
    assert (row["mos"], row["sd"], row["paper_half_width"]) == (2.0, None, None)
    assert "| m | 1 | 1 | 1 | 2.00 |  |  |" in render(table, "md")
    assert "nan" not in render(table, "csv")


HOSTILE = r"a_b|c*<script>&%$#{}~^\d"


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("md", r"a\_b\|c\*\<script\>&%$#{}~^\\d"),
        (
            "latex",
            r"a\_b\textbar{}c*\textless{}script\textgreater{}\&\%\$\#\{\}\textasciitilde{}"
            r"\textasciicircum{}\textbackslash{}d",
        ),
        ("csv", HOSTILE),
        ("json", json.dumps(HOSTILE)),
    ],
)
def test_names_are_escaped(format: str, expected: str) -> None:
    table = Table("t", "t", "c", (Column("system", "system"),), (Row({"system": HOSTILE}),))
    assert expected in render(table, format)


def test_latex_rows_have_as_many_cells_as_columns() -> None:
    lines = render(score_table3(), "latex").splitlines()
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    (alignment,) = [line for line in lines if line.startswith(r"\begin{tabular}")]
    columns = re.sub(r"\[.*?\]", "", alignment.removeprefix(r"\begin{tabular}"))
    assert columns == "{lSSSSSSlSS}"
    assert {line.count(" & ") for line in body} == {len(columns) - 3}
    assert all(line.endswith(r"\\") for line in body)


def test_intervals_that_do_not_lie_around_the_mos_show_their_ends() -> None:
    rows = [(f"l{row}", "m", f"u{row % 4}", score) for row, score in enumerate([5, 5, 5, 4, 5, 3])]
    frame = pd.DataFrame(rows, columns=["listener", "system", "utterance", "score"])
    analysis = analyse(ratings_from_frame(frame, source="r"), methods=["t", "wilson"])
    found = analysis.systems[0].intervals["wilson"]
    table = mos_table(analysis)
    assert f"[{found.low:.2f}, {found.high:.2f}]" in render(table, "md")
    assert f"±{found.half_width:.2f}" not in render(table, "md")
    assert f"±{analysis.systems[0].intervals['t'].half_width:.2f}" in render(table, "md")
    assert any("wilson CI does not lie symmetrically" in line for line in table.footer)
    cells = next(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert float(cells["wilson_low"]) == pytest.approx(found.low)
    assert float(cells["wilson_half_width"]) == pytest.approx(found.half_width)
    assert f" & [{found.low:.2f}, {found.high:.2f}] & " in render(table, "latex")


def test_a_mixed_model_that_weights_otherwise_shows_its_ends() -> None:
    generator = np.random.default_rng(1)
    cells = generator.choice(6 * 8, 30, replace=False)
    frame = pd.DataFrame(
        {"listener": [f"l{one // 8}" for one in cells], "system": "m",
         "utterance": [f"u{one % 8}" for one in cells],
         "score": np.clip(3 + cells // 8 * 0.4 + generator.normal(0, 0.5, 30), 1, 5)}
    )  # fmt: skip
    analysis = analyse(ratings_from_frame(frame, source="r"), methods=["lmm"])
    found = analysis.systems[0].intervals["lmm"]
    assert abs(found.estimate - analysis.systems[0].mean) > 1e-4
    assert f"[{found.low:.2f}, {found.high:.2f}]" in render(mos_table(analysis), "md")


@pytest.mark.parametrize("build", [
    lambda: mos_table(scored(simulated=True), published=published_table(3)),
    lambda: comparison_table(scored()),
    lambda: screening_table(scored()),
    speed_table1,
])  # fmt: skip
def test_stock_latex_can_set_every_sign_of_our_tables(build) -> None:
    text = render(build(), "latex")
    assert text.isascii(), sorted({one for one in text if not one.isascii()})


def test_signs_become_mathematics_in_latex() -> None:
    table = Table("t", "t", "c", (Column("system", "d\u03b4"),), (Row({"system": "a \u2212 b"}),))
    text = render(table, "latex")
    assert r"{d$\delta$}" in text
    assert r"a $-$ b" in text


def test_unknown_format() -> None:
    with pytest.raises(UnknownName, match="'xlsx' is not a table format"):
        render(score_table3(), "xlsx")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0627, "0.0627"),
        (9.996, "10.0"),
        (51.93, "51.9"),
        (223.0, "223"),
        (2496.0, "2500"),
        (0.0, "0"),
        (math.nan, ""),
        (None, ""),
    ],
)
def test_significant_digits(value, text: str) -> None:
    assert Column("khz", "kHz", significant=3).text(value) == text


def test_speed_columns_hold_both_devices_and_both_counts() -> None:
    table = speed_table1()
    melgan = rows_of(table)["MelGAN"].values
    assert (melgan["cpu_khz"], melgan["gpu_khz"]) == (51.93, 2496.0)
    assert melgan["parameters_million"] == pytest.approx(4.260257)
    assert melgan["parameters_with_weight_norm_million"] == pytest.approx(4.265953)
    assert (melgan["published_cpu_khz"], melgan["published_gpu_khz"]) == (51.9, 2500)
    assert rows_of(table)["WaveNet (Shen et al. 2018)"].values["published_cpu_khz"] == 0.0627


def test_speed_footer_names_both_machines_and_what_was_not_timed() -> None:
    table = speed_table1()
    footer = " ".join(table.footer)
    for part in ("CPU Some CPU, 1 thread", "GPU Some GPU", "GTX 1080 Ti", "wavenet, no weights"):
        assert part in footer
    assert table.stamps == ("RANDOM WEIGHTS: MelGAN",)


def test_citations_are_no_part_of_a_name() -> None:
    table = PublishedTable(1, "t", (PublishedRow("MelGAN (Kumar et al. 2019)", {}),), "s")
    assert best_match(["melgan"], [table]) is table
    assert match_key("w/o Multi-scale Discriminator") != match_key("w/ Multi-scale Discriminator")


def test_no_table_depends_on_numpy_types() -> None:
    text = render(score_table3(), "csv")
    assert "np." not in text
    assert all(
        not isinstance(value, np.generic)
        for row in score_table3().rows
        for value in row.values.values()
    )
