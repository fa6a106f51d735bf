"""Metrics against listeners: a metric that knows the answer, and one that knows nothing."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from evalsuite.analysis import analyse
from evalsuite.figures import figure_bytes, metric_figure
from evalsuite.metrics.measure import Measured
from evalsuite.prediction import predict, prediction_json
from evalsuite.ratings import Ratings, ratings_from_frame
from evalsuite.stats.simulate import crossed_cells, simulate_scores
from evalsuite.tables.prediction import prediction_table
from evalsuite.tables.render import render

MEANS = [1.6, 2.4, 3.0, 3.6, 4.1, 4.6]


def heard() -> Ratings:
    cells = crossed_cells(20, 6, 10)
    frame = pd.DataFrame(
        {
            "listener": cells.listeners.astype(str),
            "system": [f"s{i}" for i in cells.systems],
            "utterance": [f"u{i}" for i in cells.utterances],
            "score": simulate_scores(cells, MEANS, seed=2),
        }
    )
    return ratings_from_frame(frame, source="test")


def measured(metric: str, value) -> list[Measured]:
    return [
        Measured(f"s{system}", f"u{utterance}", metric, "1", value(system, utterance), "", "", "",
                 False, False)
        for system in range(6)
        for utterance in range(10)
    ]  # fmt: skip


def test_a_metric_that_knows_the_answer_reaches_the_ceiling() -> None:
    ratings = heard()
    random = np.random.default_rng(0)
    lines = measured("distance", lambda s, u: 5 - MEANS[s] + random.normal(0, 0.05))
    lines += measured("noise", lambda s, u: float(random.normal()))
    analysis = analyse(ratings)
    distance, noise = predict(analysis, ratings, lines)
    assert (distance.metric, noise.metric) == ("distance", "noise")
    assert distance.report.agreement.lcc < -0.98
    assert abs(distance.report.agreement.lcc) == pytest.approx(distance.report.ceiling, abs=0.03)
    # Small is good for a distance: pairs are counted after turning it round.
    assert distance.pairwise == 1.0
    assert distance.report.mapped.rmse < 0.25
    assert abs(noise.utterance_level.lcc) < 0.35
    assert distance.means["s0"] == pytest.approx(3.4, abs=0.05)
    assert set(distance.leave_one_out) == {f"s{i}" for i in range(6)}


def test_undefined_values_and_other_utterances_take_no_part() -> None:
    ratings = heard()
    analysis = analyse(ratings)
    lines = measured("m", lambda s, u: None if u < 5 else float(s))
    lines += [Measured("s0", "elsewhere", "m", "1", 99.0, "", "", "", False, False)]
    (found,) = predict(analysis, ratings, lines)
    assert found.utterance_level.n == 30
    assert predict(analysis, ratings, []) == []


def test_the_ceiling_takes_errors_not_half_widths_of_few_sentences() -> None:
    """Three sentences: t(2) = 4.30, and half widths over 1.96 would leave no ceiling at all."""
    random = np.random.default_rng(3)
    cells = crossed_cells(12, 4, 3)
    frame = pd.DataFrame(
        {
            "listener": cells.listeners.astype(str),
            "system": [f"s{i}" for i in cells.systems],
            "utterance": [f"u{i}" for i in cells.utterances],
            "score": simulate_scores(cells, [2.7, 3.0, 3.3, 3.7], seed=5),
        }
    )
    ratings = ratings_from_frame(frame, source="test")
    analysis = analyse(ratings)
    lines = [one for one in measured("m", lambda s, u: s + float(random.normal(0, 0.1)))
             if one.system in {"s0", "s1", "s2", "s3"}]  # fmt: skip
    (found,) = predict(analysis, ratings, lines)
    means = [one.mean for one in analysis.systems]
    quantile = scipy.stats.t.ppf(0.975, 2)
    errors = [one.intervals["cluster2"].half_width / quantile for one in analysis.systems]
    expected = math.sqrt(1 - np.mean(np.square(errors)) / np.var(means, ddof=1))
    assert found.report.ceiling == pytest.approx(expected)
    half_widths = [one.intervals["cluster2"].half_width / 1.96 for one in analysis.systems]
    assert np.mean(np.square(half_widths)) > np.var(means, ddof=1)


def test_few_systems_print_nothing_that_two_points_would_give() -> None:
    ratings = heard()
    two = [one for one in measured("m", lambda s, u: float(s)) if one.system in {"s0", "s5"}]
    three = [
        one for one in measured("m", lambda s, u: float(s)) if one.system in {"s0", "s2", "s5"}
    ]
    (found,) = predict(analyse(ratings), ratings, two)
    assert math.isnan(found.report.agreement.lcc)
    assert math.isnan(found.pairwise)
    (found,) = predict(analyse(ratings), ratings, three)
    assert found.report.agreement.lcc > 0.9
    (row,) = prediction_table([found]).rows
    assert (row.values["lcc_interval"], row.values["weakest_without"]) == ("", "")
    assert math.isnan(row.values["weakest"])


def test_table_json_and_figure() -> None:
    ratings = heard()
    analysis = analyse(ratings)
    found = predict(analysis, ratings, measured("m", lambda s, u: float(s)))
    value = json.loads(json.dumps(prediction_json(found), allow_nan=False))
    assert value[0]["report"]["agreement"]["lcc"] > 0.9
    text = render(prediction_table(found), "md")
    assert "| m | 6 |" in text
    figure = metric_figure(analysis, found[0].means, title="m")
    assert "LCC" in figure.axes[0].get_title()
    assert figure_bytes(figure, "pdf") == figure_bytes(
        metric_figure(analysis, found[0].means, title="m"), "pdf"
    )
    few = metric_figure(analysis, {"s0": 1.0, "s1": math.nan}, title="m")
    assert "no correlation" in few.axes[0].get_title()
