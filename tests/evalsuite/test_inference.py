"""What an analysis says beyond means, and that nothing is removed unless it is asked for."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from evalsuite.analysis import Analysis, analyse, analysis_json
from evalsuite.errors import TooFewRatings, UnknownName
from evalsuite.ratings import Ratings, ratings_from_frame
from evalsuite.stats.comparisons import compare
from evalsuite.stats.simulate import crossed_cells, simulate_scores
from evalsuite.tables.comparisons import comparison_table, screening_table
from evalsuite.tables.mos import mos_table
from evalsuite.tables.render import FORMATS, render

NAMES = np.array(["bad", "fair", "good", "original"])


def ratings(n_listeners: int = 16, n_utterances: int = 12, kinds=None) -> Ratings:
    cells = crossed_cells(n_listeners, 4, n_utterances)
    scores = simulate_scores(cells, [1.6, 3.2, 3.9, 4.7], seed=1, kinds=kinds)
    frame = pd.DataFrame(
        {
            "listener": [f"l{i:02d}" for i in cells.listeners],
            "system": NAMES[cells.systems],
            "utterance": [f"u{i:02d}" for i in cells.utterances],
            "score": scores,
        }
    )
    return ratings_from_frame(frame, source="test")


@pytest.fixture(scope="module")
def analysed() -> Analysis:
    return analyse(ratings(kinds={3: "random"}))


def test_all_pairs_better_first(analysed: Analysis) -> None:
    assert analysed.inference is not None
    pairs = [(one.a, one.b) for one in analysed.inference.comparisons]
    assert pairs == [
        ("original", "good"), ("original", "fair"), ("original", "bad"),
        ("good", "fair"), ("good", "bad"), ("fair", "bad"),
    ]  # fmt: skip
    assert all(one.difference > 0 for one in analysed.inference.comparisons)
    assert all(one.p_holm >= one.p for one in analysed.inference.comparisons)
    assert set(analysed.inference.letters) == set(NAMES)


def test_json_has_the_promised_keys_and_no_nan(analysed: Analysis) -> None:
    value = json.loads(json.dumps(analysis_json(analysed), allow_nan=False))
    interval = value["systems"][0]["intervals"]["cluster2"]
    assert {"half_width", "low", "high", "df", "scope"} <= set(interval)
    comparison = value["comparisons"][0]
    assert {"a", "b", "difference", "half_width", "p", "p_holm", "method"} <= set(comparison)
    assert {"cliffs_delta", "standardised"} <= set(comparison["effect"])
    assert {"rule", "listener", "value", "threshold", "would_exclude", "reason"} == set(
        value["screening"][0]
    )
    assert {"letters", "reliability", "components", "warnings"} <= set(value)
    assert {"rater_models", "listener_means", "drift", "alpha"} <= set(value)
    assert "estimate" in interval
    assert set(value["components"]["bad"]) == {"listener", "utterance", "residual"}


def test_screening_says_who_and_what_would_change_and_changes_nothing(analysed: Analysis) -> None:
    inference = analysed.inference
    assert inference is not None
    assert inference.named["crowdmos_correlation"] == ["l03"]
    assert analysed.listeners == 16
    without = analyse(ratings(kinds={3: "random"}), apply_screening="crowdmos_correlation")
    assert without.n == analysed.n - 48
    assert any("left out l03 (1 of 16 listeners)" in note for note in without.notes)
    changes = inference.without["crowdmos_correlation"]
    before = {one.system: one.mean for one in analysed.systems}
    for one in without.systems:
        assert changes[one.system] == pytest.approx(one.mean - before[one.system], abs=1e-12)


def test_screening_that_names_nobody_or_everybody() -> None:
    calm = analyse(ratings(), apply_screening="straight_line")
    assert any("nobody was left out" in note for note in calm.notes)
    assert calm.n == 16 * 4 * 12
    with pytest.raises(TooFewRatings, match="leaves none"):
        analyse(ratings(4, kinds=dict.fromkeys(range(4), "middle")),
                apply_screening="straight_line")  # fmt: skip
    with pytest.raises(UnknownName, match="'bt500'"):
        analyse(ratings(4), apply_screening="bt50")


def test_screened_listeners_are_left_out_of_every_count() -> None:
    """Simulated ratings of a listener who is left out are not counted among those that stay."""
    table = ratings(kinds={3: "random"})
    marked = ratings_from_frame(
        table.frame.assign(simulated=table.frame["listener"].isin(["l03", "l04"])), source="test"
    )
    found = analyse(marked, apply_screening="crowdmos_correlation")
    assert (found.n, found.n_simulated) == (15 * 48, 48)
    assert found.warnings[0].startswith(f"48 of {15 * 48} ratings are simulated")
    assert "l03" not in found.listener_means


def test_who_rates_the_recording_low_is_named_and_may_be_left_out() -> None:
    table = ratings()
    frame = table.frame.copy()
    frame.loc[frame["system"] == "original", "score"] = 4.0
    bad = (frame["listener"] == "l05") & (frame["system"] == "original")
    frame.loc[bad, "score"] = [3.0] * 3 + [5.0] * 9
    odd = ratings_from_frame(frame, source="test")
    found = analyse(odd).inference
    assert found is not None
    (own,) = [
        one for one in found.screening if (one.rule, one.listener) == ("hidden_reference", "l05")
    ]
    assert (own.value, own.threshold, own.would_exclude) == (0.25, 0.15, True)
    without = analyse(odd, apply_screening="hidden_reference")
    assert any("left out l05" in note for note in without.notes)
    renamed = ratings_from_frame(frame.replace("original", "truth"), source="test")
    unknown = analyse(renamed).inference
    assert unknown is not None
    assert "hidden_reference" not in {one.rule for one in unknown.screening}
    known = analyse(renamed, natural={"truth"}).inference
    assert known is not None
    assert known.named["hidden_reference"] == found.named["hidden_reference"]


def test_the_recording_is_rated_in_the_upper_quarter_of_any_scale() -> None:
    frame = ratings().frame.assign(score=lambda one: (one["score"] - 1) * 25)
    five = analyse(ratings()).inference
    hundred = analyse(ratings_from_frame(frame, source="test", scale=(0, 100))).inference
    assert five is not None
    assert hundred is not None
    assert [one.value for one in five.screening if one.rule == "hidden_reference"] == [
        one.value for one in hundred.screening if one.rule == "hidden_reference"
    ]


def test_biases_and_inconsistencies_are_found_again() -> None:
    """A listener half a point stricter, and one whose scores scatter."""
    generator = np.random.default_rng(4)
    rows = [
        (f"l{listener:02d}", f"s{system}", f"u{utterance:02d}",
         3 + 0.3 * system - 0.5 * (listener == 2)
         + generator.normal(0, 0.6 if listener == 7 else 0.1))
        for listener in range(12) for system in range(3) for utterance in range(20)
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["listener", "system", "utterance", "score"])
    found = analyse(ratings_from_frame(frame, source="test")).inference
    assert found is not None
    models = {one.listener: one for one in found.rater_models.listeners}
    stimulus = frame.groupby(["system", "utterance"])["score"].transform("mean")
    by_hand = (frame["score"] - stimulus).groupby(frame["listener"]).mean()
    for name, one in models.items():
        assert one.bias == pytest.approx(by_hand[name], abs=1e-12)
    assert models["l02"].bias_ml == pytest.approx(-0.5 * 11 / 12, abs=0.05)
    assert models["l07"].inconsistency == pytest.approx(0.6, abs=0.1)
    assert max(models.values(), key=lambda one: one.inconsistency).listener == "l07"
    # Everybody rated everything: taking biases out changes no mean.
    assert list(found.rater_models.would_change["p913"].values()) == pytest.approx([0, 0, 0])
    table = screening_table(analyse(ratings_from_frame(frame, source="test")))
    rows_ = {row.values["system"]: row.values for row in table.rows}
    assert "(l02)" in str(rows_["p913"]["listeners"])
    assert "(l07)" in str(rows_["p910"]["listeners"])


def test_no_ordinal_opinion_on_scores_that_are_no_categories(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slider has as many categories as ratings: minutes of work, and nothing to count."""
    asked = []
    original = compare

    def spy(table, pairs, method="cluster2", **options):
        asked.append(method)
        return original(table, pairs, method, **options)

    monkeypatch.setattr("evalsuite.inference.compare", spy)
    analyse(ratings())
    assert asked == ["cluster2", "wilcoxon", "ordinal"]
    asked.clear()
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, 16 * 4 * 12)
    slider = ratings().frame.assign(score=lambda one: np.clip(one["score"] + noise, 1, 5))
    analyse(ratings_from_frame(slider, source="test"))
    assert asked == ["cluster2", "wilcoxon"]


def test_listeners_whose_ratings_nobody_shares_have_no_bias() -> None:
    frame = pd.DataFrame(
        {"listener": list("aabb"), "system": list("stst"), "utterance": list("wxyz"),
         "score": [1, 2, 4, 5]}
    )  # fmt: skip
    found = analyse(ratings_from_frame(frame, source="test")).inference
    assert found is not None
    for one in found.rater_models.listeners:
        assert math.isnan(one.bias)
        assert math.isnan(one.inconsistency)
    assert all(
        math.isnan(change)
        for changes in found.rater_models.would_change.values()
        for change in changes.values()
    )


def test_a_test_that_was_not_made_is_not_no_difference() -> None:
    found = analyse(ratings_from_frame(ratings().frame.query("listener == 'l00'"), source="test"))
    assert found.inference is not None
    assert set(found.inference.letters.values()) == {""}
    table = comparison_table(found)
    assert {row.values["significant"] for row in table.rows} == {"not tested"}
    scores = mos_table(found)
    best = [row.values["system"] for row in scores.rows if row.best]
    assert len(best) == 1
    assert any("no system was tested" in line for line in scores.footer)


def test_only_the_system_that_was_not_tested_loses_its_letter() -> None:
    """One utterance of a fifth system: no test with it, and the others keep theirs."""
    frame = ratings().frame
    lone = frame[frame["system"] == "good"].head(1).assign(system="lone", score=1.0)
    more = analyse(ratings_from_frame(pd.concat([frame, lone]), source="t"), comparison="wilcoxon")
    both, alone = more.inference, analyse(ratings(), comparison="wilcoxon").inference
    assert both is not None
    assert alone is not None
    untested = {one.b for one in both.comparisons if math.isnan(one.p)}
    assert untested == {"lone"}
    assert both.letters["lone"] == ""
    assert {name: both.letters[name] for name in NAMES} == alone.letters
    assert any("No letter: lone" in line for line in mos_table(more).footer)


def test_significance_follows_the_confidence() -> None:
    few = ratings(6, 6)
    strict, usual = (analyse(few, confidence=level).inference for level in (0.999, 0.95))
    assert strict is not None
    assert usual is not None
    assert (strict.alpha, usual.alpha) == (0.001, 0.05)
    assert set(strict.letters.values()) != set(usual.letters.values())


def test_against_a_reference_there_are_no_letters() -> None:
    found = analyse(ratings(), reference="original").inference
    assert found is not None
    assert {one.b for one in found.comparisons} == {"original"}
    assert len(found.comparisons) == 3
    assert found.letters == {}
    with pytest.raises(UnknownName, match="write 'original'"):
        analyse(ratings(), reference="originl")


def test_comparisons_can_be_left_out() -> None:
    found = analyse(ratings(), comparison=None)
    assert found.inference is None
    assert "comparisons" not in analysis_json(found)
    with pytest.raises(ValueError, match="without comparisons"):
        comparison_table(found)


def test_the_legacy_test_carries_its_warning_everywhere() -> None:
    found = analyse(ratings(), comparison="mann_whitney")
    assert any("legacy" in warning for warning in found.warnings)
    assert "legacy" in comparison_table(found).footer[0]


def test_a_second_opinion_that_disagrees_is_a_warning() -> None:
    """Forty listeners, seven sentences, and only three of them sound better."""
    cells = crossed_cells(40, 2, 7)
    scores = simulate_scores(cells, [2.6, 2.6], seed=5).reshape(40, 2, 7)
    scores[:, 1, :3] = np.minimum(scores[:, 1, :3] + 2, 5)
    frame = pd.DataFrame(
        {
            "listener": cells.listeners.astype(str), "system": cells.systems.astype(str),
            "utterance": cells.utterances.astype(str), "score": scores.ravel(),
        }
    )  # fmt: skip
    found = analyse(ratings_from_frame(frame, source="test"), comparison="mann_whitney")
    assert any("mann_whitney gives p" in warning for warning in found.warnings)


def test_a_test_that_cannot_be_significant_has_no_opinion() -> None:
    """Seven utterances: the smallest p of the signed-rank test is 1/64, over six pairs 6/64."""
    found = analyse(ratings(n_listeners=30, n_utterances=7))
    assert found.inference is not None
    assert any(one.p_holm < 0.05 for one in found.inference.comparisons)
    assert not any("wilcoxon" in warning for warning in found.warnings)


@pytest.mark.parametrize("format", FORMATS)
def test_tables_render_in_every_format(analysed: Analysis, format: str) -> None:
    for table in (comparison_table(analysed), screening_table(analysed)):
        text = render(table, format)
        assert "Original" in text or "original" in text or "crowdmos" in text
    assert "l03" in render(screening_table(analysed), "md")


def test_components_are_nan_where_the_design_tells_nothing() -> None:
    frame = pd.DataFrame(
        {"listener": list("abc"), "system": ["s"] * 3, "utterance": list("xyz"), "score": [1, 2, 3]}
    )
    found = analyse(ratings_from_frame(frame, source="test")).inference
    assert found is not None
    assert all(math.isnan(value) for value in found.components["s"].values())
    assert found.comparisons == ()
