"""The proportional odds model against statsmodels and the literature's wine data."""

import math

import numpy as np
import pytest
import scipy.optimize
from scipy.special import expit
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


def table_of(*scores_of_systems) -> ScoreTable:
    rows = [
        (f"s{system}", str(number % 5), str(number % 4), score)
        for system, scores in enumerate(scores_of_systems)
        for number, score in enumerate(scores)
    ]
    return score_table(*zip(*rows, strict=True))


@pytest.mark.parametrize(
    "scores",
    [
        ([4, 5] * 10, [3, 4] * 10, [1, 2] * 10),  # each split touches at most in one score
        ([3, 4, 5] * 6, [1, 2, 3] * 6),
        ([3] * 12, [3, 4] * 6),
        ([4, 5] * 10, [1, 2] * 10),
    ],
)
def test_systems_without_overlap_have_no_finite_ability(scores) -> None:
    table = table_of(*scores)
    assert fit_ordinal(table) is None
    (found,) = ordinal_contrasts(table, [(0, 1)], 0.95)
    assert math.isnan(found.p)
    assert math.isnan(found.difference)
    assert "no finite ability" in found.reason


def test_a_system_inside_the_range_of_another_is_not_separated() -> None:
    model = fit_ordinal(table_of([3] * 12, [2, 3, 4] * 6))
    assert model is not None
    assert abs(model.abilities[1]) < 1e-6  # by symmetry


def test_pairs_on_the_same_side_are_compared_as_if_the_others_were_not_there() -> None:
    """Two bad systems below two good ones; the likelihood of all is the product of both parts'."""
    random = np.random.default_rng(1)
    bad, worse = random.integers(1, 4, 40), random.integers(1, 3, 40)
    good, better = random.integers(3, 6, 40), random.integers(4, 6, 40)
    table = table_of(bad, worse, good, better)
    low, across, high = ordinal_contrasts(table, [(0, 1), (0, 2), (3, 2)], 0.95)
    assert math.isnan(across.p)
    for found, alone in ((low, table_of(bad, worse)), (high, table_of(better, good))):
        (expected,) = ordinal_contrasts(alone, [(0, 1)], 0.95)
        assert found.difference == pytest.approx(expected.difference, abs=1e-6)
        assert found.p == pytest.approx(expected.p, abs=1e-9)
    assert (high.a, high.b) == ("s3", "s2")


def test_the_likelihood_of_separated_groups_is_the_product_of_theirs() -> None:
    """The parameters of both groups, those of the upper one moved far up, put into one model."""
    random = np.random.default_rng(1)
    lower = [random.integers(1, 4, 40), random.integers(1, 3, 40)]
    upper = [random.integers(3, 6, 40), random.integers(4, 6, 40)]
    low, high = fit_ordinal(table_of(*lower)), fit_ordinal(table_of(*upper))
    assert low is not None
    assert high is not None
    far = 40.0
    thresholds = np.concatenate([[-np.inf], low.thresholds, high.thresholds + far, [np.inf]])
    abilities = np.concatenate([low.abilities, high.abilities + far])
    total = sum(
        np.log(expit(thresholds[scores] - ability) - expit(thresholds[scores - 1] - ability)).sum()
        for scores, ability in zip([*lower, *upper], abilities, strict=True)
    )
    assert total == pytest.approx(low.log_likelihood + high.log_likelihood, abs=1e-6)


def climbs_without_end(used: np.ndarray) -> bool:
    """Linear programme: is there a direction that lowers no probability and raises one?

    Directions of thresholds and abilities; of a used score every edge it has must not move inwards
    (threshold above: up or still against the ability, below: down or still).
    """
    n_systems, n_levels = used.shape
    rows = []
    for system, level in np.argwhere(used):
        for edge, sign in ((level, 1), (level - 1, -1)):
            if 0 <= edge < n_levels - 1:
                row = np.zeros(n_levels - 1 + n_systems)
                row[edge], row[n_levels - 1 + system] = sign, -sign
                rows.append(row)
    gains = np.array(rows)
    order = np.diff(np.eye(n_levels - 1 + n_systems), axis=0)[: n_levels - 2]
    found = scipy.optimize.linprog(
        -gains.sum(axis=0), A_ub=-np.vstack([gains, order]), b_ub=np.zeros(len(gains) + len(order)),
        bounds=(-1, 1),
    )  # fmt: skip
    return bool(found.fun < -1e-9)


def test_separation_is_that_of_a_linear_programme() -> None:
    random = np.random.default_rng(5)
    outcomes = []
    for _ in range(150):
        n_systems = int(random.integers(2, 5))
        used = random.random((n_systems, 5)) < 0.4
        used[np.arange(n_systems), random.integers(0, 5, n_systems)] = True
        used = used[:, used.any(axis=0)]
        if used.shape[1] < 2:
            continue
        scores = [np.repeat(np.flatnonzero(row) + 1, 3).tolist() for row in used]
        outcomes.append(climbs_without_end(used))
        assert (fit_ordinal(table_of(*scores)) is None) == outcomes[-1]
    assert 20 < sum(outcomes) < len(outcomes) - 20
