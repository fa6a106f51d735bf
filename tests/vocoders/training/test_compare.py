"""The decision between two sets of weights, against scipy and on pairs whose answer is known."""

import math

import numpy as np
import pytest
from scipy import stats

from evalsuite.errors import TooFewRatings
from vocoders.training.compare import Decision, decide, paired_difference, render_decision
from vocoders.training.held_out import Score

#: metric -> (Griffin-Lim, old, what new gains on old in the metric's good direction)
LEVELS = {"log_mel_l1": (0.06, 0.3), "m_stft": (0.9, 1.6), "pesq_wb": (3.3, 1.2)}


def make_scores(gains: dict[str, float], *, n: int = 20, levels: object = None) -> list[Score]:
    """Clips differ far more than the systems: only pairing shows the gain."""
    random = np.random.default_rng(1)
    scores = []
    for metric, (baseline, old) in (levels or LEVELS).items():  # type: ignore[attr-defined]
        sign = 1 if metric == "pesq_wb" else -1
        for clip in range(n):
            hard = random.normal(0, 0.1)
            noise = random.normal(0, 0.002, 2)
            values = {
                "new": old + hard + sign * gains.get(metric, 0) + noise[0],
                "old": old + hard + noise[1],
                "griffin_lim": baseline,
            }
            group = "LJ" if clip % 2 else "unseen speakers"
            scores += [Score(k, f"c{clip}", group, metric, v) for k, v in values.items()]
    return scores


def verdicts(decision: Decision) -> dict[str, str]:
    return {one.metric: one.verdict for one in decision.differences if one.group == "all"}


def test_interval_is_that_of_a_paired_t_test() -> None:
    random = np.random.default_rng(0)
    new, old = random.normal(size=(2, 17))
    mean, half_width = paired_difference(list(new), list(old))
    expected = stats.ttest_rel(new, old).confidence_interval(0.95)
    assert (mean - half_width, mean + half_width) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("gains", "keep"),
    [
        ({"log_mel_l1": 0.05, "m_stft": 0.05, "pesq_wb": 0.05}, "new"),
        ({"log_mel_l1": -0.05, "m_stft": -0.05, "pesq_wb": -0.05}, "old"),
        ({"log_mel_l1": 0.05}, "new"),
        ({}, "old"),
        ({"log_mel_l1": 0.05, "pesq_wb": -0.05}, "old"),
        ({"log_mel_l1": -0.05, "m_stft": 0.05, "pesq_wb": 0.05}, "new"),
    ],
    ids=["better", "worse", "one-better", "equal", "one-each", "two-to-one"],
)
def test_known_pairs(gains: dict[str, float], keep: str) -> None:
    decision = decide(make_scores(gains))
    assert decision.keep == keep
    named = {0.05: "better", -0.05: "worse", 0: "no difference shown"}
    assert verdicts(decision) == {metric: named[gains.get(metric, 0)] for metric in LEVELS}


def test_old_and_new_swapped_change_places() -> None:
    scores = make_scores(dict.fromkeys(LEVELS, 0.05))
    swap = {"new": "old", "old": "new", "griffin_lim": "griffin_lim"}
    other = decide([Score(swap[s.system], s.clip, s.group, s.metric, s.value) for s in scores])
    assert other.keep == "old"
    for one, two in zip(decide(scores).differences, other.differences, strict=True):
        assert one.difference == pytest.approx(-two.difference)


def test_weights_that_lose_the_bar_are_not_kept() -> None:
    levels = {"log_mel_l1": (0.31, 0.3), "m_stft": (1.61, 1.6), "pesq_wb": (3.3, 1.2)}
    gains = {"log_mel_l1": -0.05, "m_stft": 0.05, "pesq_wb": 0.05}
    decision = decide(make_scores(gains, n=200, levels=levels))
    assert decision.keep == "old"
    assert "old beats Griffin-Lim and new does not" in decision.why


def test_clips_undefined_for_one_system_count_for_none() -> None:
    scores = make_scores({}, n=5)
    harmed = [
        Score(s.system, s.clip, s.group, s.metric, math.nan)
        if (s.system, s.clip, s.metric) == ("old", "c1", "pesq_wb")
        else s
        for s in scores
    ]
    counts = {d.metric: d.n_clips for d in decide(harmed).differences if d.group == "all"}
    assert counts == {"log_mel_l1": 5, "m_stft": 5, "pesq_wb": 4}


def test_one_clip_decides_nothing() -> None:
    with pytest.raises(TooFewRatings, match="two held-out clips"):
        decide(make_scores({"pesq_wb": 1.0}, n=1))


def test_table_and_json_say_the_same() -> None:
    decision = decide(make_scores(dict.fromkeys(LEVELS, 0.05), n=3))
    text, rows = render_decision(decision), decision.as_json()["differences"]
    assert text.endswith(f"keep new: {decision.why}")
    assert len(rows) == 9 == sum(line.startswith("| ") for line in text.splitlines()) - 1
    single = next(row for row in rows if row["group"] == "LJ")
    assert (single["n_clips"], single["half_width"]) == (1, None)
    assert "| LJ | 1 | log_mel_l1 ↓ |" in text and "| undefined |" in text
