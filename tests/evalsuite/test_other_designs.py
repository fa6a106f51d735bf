"""CMOS, MUSHRA, preference, ABX and best-worst: from a file to numbers and tables."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from typer.testing import CliRunner

from evalsuite.cli import app
from evalsuite.cli.analyze_other import analyze_other
from evalsuite.errors import RatingsError, TooFewRatings, UnknownName, UsageError
from evalsuite.other_designs import TEST_KINDS
from evalsuite.stats.cmos import cmos_contrasts
from evalsuite.stats.scores import score_table
from evalsuite.stats.simulate import crossed_cells, simulate_scores


@pytest.fixture
def written(tmp_path):
    def write(**columns):
        path = tmp_path / "test.csv"
        pd.DataFrame(columns).to_csv(path, index=False)
        return path

    return write


def analysed(path, kind: str, **options):
    return json.loads(analyze_other(path, kind, format="json", **options))


def by(records, key: str = "system"):
    return {one[key]: one for one in records}


def cmos(written, *, means=(0.7, 0.0, -0.4), **columns):
    cells = crossed_cells(12, len(means), 9)
    return written(
        listener=cells.listeners, system=[f"s{i}" for i in cells.systems],
        utterance=cells.utterances,
        score=simulate_scores(cells, means, seed=4, scale=(-3, 3)), **columns,
    )  # fmt: skip


def test_cmos_tests_every_system_against_no_difference(written) -> None:
    path = cmos(written)
    value = analysed(path, "cmos")
    frame = pd.read_csv(path)
    table = score_table(frame["system"], frame["listener"], frame["utterance"], frame["score"])
    for expected in cmos_contrasts(table):
        found = by(value["systems"])[expected.a]
        assert found["mean"] == pytest.approx(frame[frame.system == expected.a].score.mean())
        assert (found["p"], found["low"]) == pytest.approx((expected.p, expected.low))
    assert [one["system"] for one in value["systems"]] == ["s0", "s1", "s2"]
    assert len(value["comparisons"]) == 3
    text = analyze_other(path, "cmos", format="md")
    assert "Comparison mean opinion scores" in text
    assert "| s0 | 108 | 12 | 9 |" in text
    assert "SOS" not in text
    against = analysed(path, "cmos", reference="s1")["comparisons"]
    assert {one["b"] for one in against} == {"s1"}


def test_a_test_that_was_not_made_is_not_called_no(written) -> None:
    path = written(listener=["x"] * 4, system=["a"] * 4, utterance=list("1234"), score=[1, 2, 0, 1])
    text = analyze_other(path, "cmos", format="md")
    assert "not tested" in text
    assert "a: no p, one listener" in text
    assert analysed(path, "cmos")["systems"][0]["p"] is None


def test_scores_outside_the_scale_of_the_kind_are_refused(written) -> None:
    path = written(listener=["x"], system=["a"], utterance=["1"], score=[4])
    with pytest.raises(RatingsError, match="outside -3 to 3"):
        analysed(path, "cmos")
    assert analysed(path, "mushra")["systems"][0]["median"] == 4


def mushra(written):
    random = np.random.default_rng(1)
    cells = crossed_cells(9, 4, 8)
    middle = np.array([25.0, 97.0, 70.0, 78.0])[cells.systems]
    scores = np.clip(np.rint(middle + random.normal(0, 2, len(middle))), 0, 100)
    careless = (cells.listeners == 4) & (cells.systems == 1)
    names = np.array(["anchor35", "hidden", "melgan", "wavenet"])[cells.systems]
    return written(
        listener=[f"L{i}" for i in cells.listeners], system=names, utterance=cells.utterances,
        score=np.where(careless, 60, scores),
    )  # fmt: skip


def test_mushra_has_medians_tests_and_screening_that_is_applied_when_asked(written) -> None:
    path = mushra(written)
    frame = pd.read_csv(path)
    value = analysed(path, "mushra", reference="hidden", mid_anchor="anchor35")
    medians = frame.groupby("system")["score"].median()
    assert {n: one["median"] for n, one in by(value["systems"]).items()} == medians.to_dict()
    own = frame.groupby(["listener", "system"])["score"].median().unstack()
    assert value["friedman_p"] == pytest.approx(
        scipy.stats.friedmanchisquare(*own.to_numpy().T).pvalue
    )
    out = {one["listener"] for one in value["screening"] if one["would_exclude"]}
    assert (out, value["listeners"]) == ({"L4"}, 9)
    assert "would leave out L4 (1 of 9 listeners); it was not applied" in value["notes"][0]
    kept = analysed(path, "mushra", reference="hidden", apply_screening="mushra")
    assert (kept["n"], kept["listeners"]) == (8 * 4 * 8, 8)
    assert "left out L4" in kept["notes"][0]
    assert "no post-screening" in analysed(path, "mushra")["notes"][0]
    with pytest.raises(UnknownName, match="write 'hidden'"):
        analysed(path, "mushra", reference="hiden")
    with pytest.raises(TooFewRatings, match="none of 9"):
        analysed(path, "mushra", reference="melgan", apply_screening="mushra")


def preferences(written, systems, wins, **columns):
    """One row for each of `wins[i][j]` answers for system i over system j, sides alternating."""
    rows = [
        (*((systems[i], systems[j]) if turn % 2 else (systems[j], systems[i])), systems[i])
        for i, row in enumerate(wins)
        for j, times in enumerate(row)
        for turn in range(times)
    ]
    a, b, preferred = zip(*rows, strict=True)
    numbers = np.arange(len(rows))
    return written(
        listener=numbers % 7, utterance=numbers % 5, a=a, b=b, preferred=preferred, **columns
    )


def test_preferences_do_not_depend_on_sides_and_give_abilities(written) -> None:
    path = preferences(written, ["melgan", "world"], [[0, 40], [10, 0]])
    value = analysed(path, "preference")
    (pair,) = value["pairs"]
    assert (pair["a"], pair["b"], pair["n"], pair["share"]) == ("melgan", "world", 50, 0.8)
    assert pair["p"] == pytest.approx(scipy.stats.binomtest(40, 50).pvalue)
    abilities = by(value["abilities"])
    # Two systems: the ability is the log odds of the share, its error that of a logit.
    assert abilities["world"]["ability"] == pytest.approx(-math.log(4))
    assert abilities["world"]["error"] == pytest.approx(math.sqrt(1 / 40 + 1 / 10))
    assert value["reference"] == "melgan"
    turned = by(analysed(path, "preference", reference="world")["abilities"])
    assert turned["melgan"]["ability"] == pytest.approx(math.log(4))
    with pytest.raises(UnknownName, match="'worlds'"):
        analysed(path, "preference", reference="worlds")


def test_who_always_wins_has_no_ability_but_a_share(written) -> None:
    path = preferences(written, ["a", "b", "c"], [[0, 9, 9], [0, 0, 6], [0, 3, 0]])
    value = analysed(path, "preference")
    assert value["abilities"] == []
    assert "no abilities" in value["notes"][0]
    shares = {(one["a"], one["b"]): one for one in value["pairs"]}
    assert shares["a", "b"]["share"] == 1.0
    assert shares["a", "b"]["cluster_p"] is None
    text = analyze_other(path, "preference", format="md")
    assert "not tested" in text
    assert "Bradley-Terry" not in text


def test_abx_of_every_system_and_of_all(written) -> None:
    right = np.tile([1] * 15 + [0] * 5, 2)
    systems = np.repeat(["a", "b"], 20)
    right[20:] = np.tile([1, 0], 10)
    numbers = np.arange(40)
    columns = {"listener": numbers % 8, "utterance": numbers % 5, "correct": right}
    found = by(analysed(written(**columns, system=systems), "abx")["systems"])
    assert found["a"]["p"] == pytest.approx(
        scipy.stats.binomtest(15, 20, alternative="greater").pvalue
    )
    assert found["a"]["d_prime_independent"] == pytest.approx(1.7904, abs=5e-5)
    assert found["b"]["d_prime_independent"] == 0
    assert found["a"]["p_holm"] == pytest.approx(2 * found["a"]["p"])
    (pooled,) = analysed(written(**columns), "abx")["systems"]
    assert (pooled["system"], pooled["right"], pooled["n"]) == ("all", 25, 40)
    all_right = written(**(columns | {"correct": np.ones(40, int)}))
    value = analysed(all_right, "abx")
    assert value["systems"][0]["d_prime_independent"] is None
    assert "no finite d'" in value["notes"][1]


def test_best_worst_counts_and_abilities_without_errors(written) -> None:
    shown = ["a|b|c", "c | b | a", "a|b|c", "b|c|a"]
    path = written(
        listener=list("xxyy"), utterance=list("1212"), shown=shown,
        best=["a", "a", "b", "c"], worst=["c", "b", "c", "a"],
    )  # fmt: skip
    value = analysed(path, "best_worst")
    scores = {one["system"]: one["score"] for one in value["systems"]}
    assert scores == {"a": 0.25, "b": 0.0, "c": -0.25}
    assert all(one["error"] is None for one in value["abilities"])
    assert "fit_p" not in value
    assert "dependent" in value["notes"][0]


@pytest.mark.parametrize("format", ["table", "md", "csv", "json", "latex", "html"])
def test_simulated_answers_are_stamped_in_every_format(written, format: str) -> None:
    path = preferences(written, ["a", "b"], [[0, 8], [6, 0]], simulated=[True] * 14)
    text = analyze_other(path, "preference", format=format)
    assert "SIMULATED LISTENERS" in text.upper() or '"simulated": true' in text
    assert format == "json" or "0.571" in text.replace("&#x27;", "'") or "0.5714" in text


def test_options_that_a_kind_has_no_use_for_are_refused(written) -> None:
    path = cmos(written)
    with pytest.raises(UnknownName, match="write --test-kind mushra"):
        analysed(path, "mushrah")
    with pytest.raises(UnknownName, match=", ".join(TEST_KINDS)):
        analysed(path, "x")
    with pytest.raises(UsageError, match="--mid-anchor with --test-kind cmos"):
        analysed(path, "cmos", mid_anchor="s1")
    with pytest.raises(UsageError, match="--apply-screening bt500"):
        analysed(path, "mushra", apply_screening="bt500")
    with pytest.raises(UsageError, match="confidence 95"):
        analysed(path, "cmos", confidence=95)
    with pytest.raises(UsageError, match="OURS one of listener, utterance, correct"):
        analysed(path, "abx", columns="score=x")


def test_the_kind_is_an_option_of_analyze(written) -> None:
    file = cmos(written)
    path = str(file)
    shown = CliRunner().invoke(app, ["analyze", path, "--test-kind", "cmos", "--json"])
    assert json.loads(shown.stdout) == analysed(file, "cmos")
    for unused in (["--by", "panel"], ["--metrics", "run"]):
        refused = CliRunner().invoke(app, ["analyze", path, "--test-kind", "cmos", *unused])
        assert isinstance(refused.exception, UsageError)
        assert unused[0] in refused.exception.got
    refused = CliRunner().invoke(app, ["analyze", path, "--mid-anchor", "s1"])
    assert isinstance(refused.exception, UsageError)
