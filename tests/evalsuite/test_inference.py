"""What an analysis says beyond means, and that nothing is removed unless it is asked for."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from evalsuite.analysis import Analysis, analyse, analysis_json
from evalsuite.errors import TooFewRatings, UnknownName
from evalsuite.ratings import Ratings, ratings_from_frame
from evalsuite.stats.simulate import crossed_cells, simulate_scores
from evalsuite.tables.comparisons import comparison_table, screening_table
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
