"""The proportional odds model against statsmodels and the literature's wine data."""

import math

import numpy as np
import pytest
from statsmodels.miscmodels.ordinal_model import OrderedModel

from evalsuite.stats.ordinal import fit_ordinal, ordinal_contrasts
from evalsuite.stats.scores import ScoreTable, score_table

#: Bitterness of wine, 1 to 5, by temperature and contact of juice and skins: Randall 1989, "The
#: analysis of sensory data by generalised linear model", Biom. J. 31. Counts of each score.
WINE = {
    "cold, no": (4, 9, 5, 0, 0),
    "cold, yes": (1, 7, 8, 2, 0),
    "warm, no": (0, 5, 8, 3, 2),
    "warm, yes": (0, 1, 5, 7, 5),
}


def wine() -> ScoreTable:
    rows = [
        (name, str(number % 9), str(number % 6), score)
        for name, counts in WINE.items()
        for number, score in enumerate(np.repeat(np.arange(1, 6), counts))
    ]
    return score_table(*zip(*rows, strict=True))


def test_wine_has_the_published_coefficients() -> None:
    """Christensen, R package ordinal, vignette clm: rating ~ temp * contact."""
    model = fit_ordinal(wine())
    assert model is not None
    assert model.thresholds == pytest.approx([-1.4113, 1.1436, 3.3771, 4.9420], abs=1e-4)
    contact, warm, both = model.abilities[1:]
    assert (contact, warm, both - warm - contact) == pytest.approx(
        (1.3475, 2.3212, 0.3595), abs=1e-4
    )
    assert model.log_likelihood == pytest.approx(-86.4162, abs=1e-3)


def test_estimates_equal_statsmodels() -> None:
    random = np.random.default_rng(0)
    systems = np.repeat(np.arange(4), 60)
    scores = np.clip(np.rint(3 + 0.5 * (systems - 1.5) + random.normal(0, 1, 240)), 1, 5)
    table = score_table(
        systems.astype(str), np.tile(range(20), 12).astype(str),
        np.tile(np.repeat(range(3), 20), 4).astype(str), scores,
    )  # fmt: skip
    dummies = (systems[:, None] == np.arange(1, 4)).astype(float)
    oracle = OrderedModel(scores, dummies, distr="logit").fit(method="bfgs", disp=False, gtol=1e-8)
    model = fit_ordinal(table)
    assert model is not None
    assert model.abilities[1:] == pytest.approx(oracle.params[:3], abs=1e-4)
    assert model.log_likelihood == pytest.approx(oracle.llf, abs=1e-6)


def test_influence_predicts_what_leaving_a_rating_out_does() -> None:
    """The error's building block against the thing itself: refit without one rating."""
    table = wine()
    model = fit_ordinal(table)
    assert model is not None
    rows = [
        (one.system, one.listeners[i], one.utterances[i], one.scores[i])
        for one in table.systems
        for i in range(one.n)
    ]
    for left_out in (3, 20, 40, 71):
        kept = [row for number, row in enumerate(rows) if number != left_out]
        systems, listeners, utterances, scores = zip(*kept, strict=True)
        again = fit_ordinal(
            score_table(systems, np.array(listeners).astype(str),
                        np.array(utterances).astype(str), scores)
        )  # fmt: skip
        assert again is not None
        change = model.abilities - again.abilities
        system = [one.system for one in table.systems].index(rows[left_out][0])
        level = int(rows[left_out][3]) - 1
        assert model.influence[system, level] == pytest.approx(change, abs=0.05, rel=0.35)


def test_contrast_has_the_sign_of_the_ability_and_finds_warm_wine_more_bitter() -> None:
    table = wine()
    names = [one.system for one in table.systems]
    a, b = names.index("warm, yes"), names.index("cold, no")
    (found,) = ordinal_contrasts(table, [(a, b)], 0.95)
    assert found.difference == pytest.approx(2.3212 + 1.3475 + 0.3595, abs=1e-3)
    assert found.p < 0.05
    (back,) = ordinal_contrasts(table, [(b, a)], 0.95)
    assert back.difference == pytest.approx(-found.difference)
    assert back.p == pytest.approx(found.p)


def test_no_finite_ability_is_no_p() -> None:
    table = score_table(["a"] * 6 + ["b"] * 6, list("xyz") * 4, ["1", "2"] * 6,
                        [5] * 6 + [3, 4, 5] * 2)  # fmt: skip
    assert fit_ordinal(table) is None
    (found,) = ordinal_contrasts(table, [(0, 1)], 0.95)
    assert math.isnan(found.p)
    assert "no finite ability" in found.reason
