"""CrowdMOS, moments, mixed model, bounded and bootstrap intervals against independent figures."""

import math

import numpy as np
import pytest
import scipy.stats
import statsmodels.api
from statsmodels.stats.proportion import proportion_confint

from evalsuite.stats.bootstrap import resampled_means
from evalsuite.stats.components import variance_components
from evalsuite.stats.interval import IntervalOptions
from evalsuite.stats.intervals import INTERVALS
from evalsuite.stats.mixed_model import fit_mixed_model, fit_ratings
from evalsuite.stats.scores import SystemScores, score_table
from evalsuite.stats.simulate import Effects, crossed_cells, simulate_table

#: Diameters of growth inhibition, 24 plates by 6 samples: Davies and Goldsmith 1972, table 6.6.
PENICILLIN = np.array(
    [
        [27, 23, 26, 23, 23, 21], [27, 23, 26, 23, 23, 21], [25, 21, 25, 24, 24, 20],
        [26, 23, 25, 23, 23, 20], [25, 22, 26, 22, 23, 20], [24, 22, 25, 23, 22, 19],
        [24, 20, 23, 21, 22, 19], [26, 22, 26, 24, 24, 21], [24, 21, 24, 22, 22, 20],
        [24, 21, 24, 23, 22, 19], [26, 23, 26, 24, 24, 21], [25, 22, 26, 24, 24, 20],
        [26, 24, 26, 24, 25, 22], [26, 23, 26, 23, 23, 20], [26, 23, 25, 24, 24, 22],
        [25, 22, 25, 23, 23, 20], [25, 21, 24, 23, 23, 20], [25, 22, 24, 23, 23, 19],
        [24, 21, 23, 21, 21, 19], [26, 23, 26, 24, 24, 21], [25, 21, 24, 22, 22, 18],
        [25, 22, 25, 22, 22, 20], [24, 21, 24, 22, 24, 19], [24, 21, 24, 22, 21, 18],
    ],
    dtype=float,
)  # fmt: skip

_NAN = math.nan
#: Workers by sentences, and the half width that mean-opinion-score 0.0.2 gives for it.
RATED = [
    [_NAN, 3, 2, _NAN, 2, 3, 3], [_NAN, 4, _NAN, _NAN, 3, 4, 4],
    [_NAN, 3, _NAN, _NAN, _NAN, _NAN, 4], [3, 3, 3, 3, _NAN, 2, 3],
    [_NAN, 2, 4, 3, _NAN, 5, _NAN], [2, 3, _NAN, 3, 3, _NAN, 4],
    [4, 3, 4, _NAN, _NAN, _NAN, _NAN], [_NAN, 5, 5, _NAN, _NAN, 5, 3],
    [3, 3, 4, 4, 3, 3, 3],
]  # fmt: skip
HALF_WIDTH_OF_RATED = 0.5904916724439486
ONE_EACH = [3, 5, 2, 4, 4, 5, 1, 3, 3, 4, 2, 5]
HALF_WIDTH_OF_ONE_EACH = 1.1534589532797146
HALF_WIDTH_OF_DIAGONAL = 1.266253791233326


def one_system(matrix) -> SystemScores:
    """Scores of a listener by utterance matrix with NaN where nobody rated."""
    values = np.asarray(matrix, float)
    listeners, utterances = np.nonzero(~np.isnan(values))
    table = score_table(
        ["s"] * len(listeners), listeners.astype(str), utterances.astype(str),
        values[listeners, utterances],
    )  # fmt: skip
    return table.systems[0]


def interval(method: str, scores: SystemScores, **options):
    table = score_table(
        ["s"] * scores.n, scores.listeners.astype(str), scores.utterances.astype(str),
        scores.scores,
    )  # fmt: skip
    return INTERVALS[method].compute(table, IntervalOptions(**options))[0]


def one_rating_each(by_listener: bool) -> np.ndarray:
    matrix = np.full((12, 4), np.nan)
    matrix[np.arange(12), np.arange(12) % 4] = ONE_EACH
    return matrix if by_listener else matrix.T


def test_pypi_form_gives_the_figures_of_the_package() -> None:
    found = interval("crowdmos_pypi", one_system(RATED))
    assert found.half_width == pytest.approx(HALF_WIDTH_OF_RATED, rel=1e-6)
    for by_listener in (True, False):
        found = interval("crowdmos_pypi", one_system(one_rating_each(by_listener)))
        assert found.half_width == pytest.approx(HALF_WIDTH_OF_ONE_EACH, rel=1e-6)
    diagonal = np.full((5, 5), np.nan)
    np.fill_diagonal(diagonal, [3, 5, 2, 4, 4])
    found = interval("crowdmos_pypi", one_system(diagonal))
    assert found.half_width == pytest.approx(HALF_WIDTH_OF_DIAGONAL, rel=1e-6)


def test_crowdmos_by_its_formulas_with_pandas() -> None:
    frame = one_system(RATED)
    y, n = frame.scores, frame.n
    groups = {"w": frame.listeners, "s": frame.utterances}
    within = {
        name: np.mean([np.var(y[g == i], ddof=1) for i in set(g) if (g == i).sum() > 1])
        for name, g in groups.items()
    }
    total = np.var(y, ddof=1)
    sentence, worker = total - within["s"], total - within["w"]
    rest = within["s"] + within["w"] - total
    share = {name: (np.bincount(g) ** 2).sum() / n**2 for name, g in groups.items()}
    variance = max(sentence, 0) * share["s"] + max(worker, 0) * share["w"] + max(rest, 0) / n
    found = interval("crowdmos", frame)
    assert found.half_width == pytest.approx(
        scipy.stats.t.ppf(0.975, 6) * math.sqrt(variance), rel=1e-12
    )


def test_crowdmos_with_one_rating_a_listener_keeps_the_sentences() -> None:
    """The sentence variance is weighted by how often each sentence was rated (here 3 of 12)."""
    scores = one_system(one_rating_each(by_listener=True))
    matrix = one_rating_each(by_listener=True)
    within = np.mean([np.nanvar(column, ddof=1) for column in matrix.T])
    total = np.var(ONE_EACH, ddof=1)
    variance = max(total - within, 0) * 4 * 9 / 144 + within / 12
    found = interval("crowdmos", scores)
    assert found.half_width == pytest.approx(
        scipy.stats.t.ppf(0.975, 3) * math.sqrt(variance), rel=1e-12
    )


def test_penicillin_has_the_published_deviations() -> None:
    """Bates et al. 2015 (lme4): plate .8467, sample 1.9316, residual .5499, REML 330.8606."""
    plates, samples = np.indices(PENICILLIN.shape)
    model = fit_mixed_model(
        PENICILLIN.ravel(), np.ones((144, 1)),
        {"plate": plates.ravel(), "sample": samples.ravel()},
    )  # fmt: skip
    assert list(model.deviations.values()) == pytest.approx([0.8467, 1.9316, 0.5499], abs=5e-5)
    assert model.estimates[0] == pytest.approx(22.9722, abs=5e-5)
    assert math.sqrt(model.covariance[0, 0]) == pytest.approx(0.8086, abs=5e-5)
    assert model.reml_criterion == pytest.approx(330.8606, abs=5e-5)
    # lmerTest's degrees of freedom for it (Kuznetsova et al. 2017 print 5.49).
    assert model.df[0] == pytest.approx(5.49, abs=0.01)


def test_moments_equal_reml_on_a_complete_table() -> None:
    parts = variance_components(one_system(PENICILLIN))
    assert parts is not None
    assert np.sqrt([parts.listener, parts.utterance, parts.residual]) == pytest.approx(
        [0.8467, 1.9316, 0.5499], abs=5e-5
    )


def test_moments_are_unbiased_with_missing_cells() -> None:
    random = np.random.default_rng(0)
    found = []
    for _ in range(400):
        latent = (
            random.normal(0, 0.6, (12, 1)) + random.normal(0, 0.4, (1, 10))
            + random.normal(0, 0.7, (12, 10))
        )  # fmt: skip
        latent[random.random(latent.shape) < np.linspace(0.1, 0.8, 12)[:, None]] = np.nan
        parts = variance_components(one_system(latent))
        assert parts is not None
        found.append(parts.raw)
    error = np.std(found, axis=0) / 20
    assert np.abs(np.mean(found, axis=0) - [0.36, 0.16, 0.49]) == pytest.approx(
        0, abs=float(4 * error.max())
    )


def test_mixed_model_equals_statsmodels_with_one_random_effect() -> None:
    random = np.random.default_rng(4)
    groups = np.repeat(np.arange(12), [3, 5, 8, 4, 6, 7, 5, 9, 3, 4, 6, 8])
    systems = random.integers(0, 3, len(groups))
    y = 3 + 0.4 * systems + random.normal(0, 0.6, 12)[groups] + random.normal(0, 0.8, len(groups))
    fixed = (systems[:, None] == np.arange(3)).astype(float)
    ours = fit_mixed_model(y, fixed, {"listener": groups})
    oracle = statsmodels.api.MixedLM(y, fixed, groups).fit(reml=True)
    assert ours.estimates == pytest.approx(oracle.fe_params, abs=1e-4)
    assert ours.deviations["listener"] ** 2 == pytest.approx(oracle.cov_re[0, 0], rel=1e-3)
    assert ours.deviations["residual"] ** 2 == pytest.approx(oracle.scale, rel=1e-3)
    assert ours.reml_criterion == pytest.approx(-2 * oracle.llf, abs=1e-3)


def test_mixed_model_of_ratings_finds_the_simulated_deviations() -> None:
    effects = Effects(0.5, 0.4, 0.3, 0.3, 0.6)
    table = simulate_table(
        crossed_cells(25, 3, 20), [30.0, 40.0, 50.0], seed=3, effects=effects,
        scale=(0, 100),
    )  # fmt: skip
    model = fit_ratings(table)
    assert model is not None
    rounding = 1 / 12
    expected = [0.5, 0.4, 0.3, 0.3, math.sqrt(0.36 + rounding)]
    assert list(model.deviations) == [
        "listener", "utterance", "listener:system", "utterance:system", "residual",
    ]  # fmt: skip
    assert list(model.deviations.values()) == pytest.approx(expected, rel=0.3)
    assert model.estimates == pytest.approx([30, 40, 50], abs=0.5)


def test_a_balanced_mixed_model_keeps_the_means() -> None:
    table = simulate_table(crossed_cells(8, 3, 6), [2.0, 3.0, 4.0], seed=1)
    found = INTERVALS["lmm"].compute(table, IntervalOptions())
    for one, interval_ in zip(table.systems, found, strict=True):
        assert interval_.estimate == pytest.approx(one.mean, abs=1e-6)
        assert interval_.low < one.mean < interval_.high


def test_wilson_equals_statsmodels_for_votes_at_the_ends() -> None:
    scores = [5] * 9 + [1] * 3
    found = interval("wilson", one_system(np.diag(scores).astype(float) + np.where(
        np.eye(12) == 1, 0.0, np.nan)))  # fmt: skip
    low, high = proportion_confint(9, 12, method="wilson")
    assert (found.low, found.high) == pytest.approx((1 + 4 * low, 1 + 4 * high), abs=1e-9)


def test_hoeffding_is_its_formula_cut_at_the_scale() -> None:
    matrix = np.where(np.eye(10) == 1, 3.0, np.nan)
    found = interval("hoeffding", one_system(matrix))
    margin = 4 * math.sqrt(math.log(2 / 0.05) / 20)
    assert (found.low, found.high) == pytest.approx((3 - margin, 3 + margin))
    top = interval("hoeffding", one_system(np.where(np.eye(10) == 1, 5.0, np.nan)))
    assert top.high == 5.0


def test_bootstrap_means_have_the_mean_and_spread_of_the_pigeonhole() -> None:
    """Owen 2007: resampling both ways has variance near V_L + V_U with ddof 0."""
    table = simulate_table(crossed_cells(15, 1, 12), [3.5], seed=2)
    scores = table.systems[0]
    means = resampled_means(scores, n_resamples=6000, seed=1, both=True)
    assert means.mean() == pytest.approx(scores.mean, abs=0.02)
    residual = scores.scores.reshape(15, 12) - scores.mean
    by_listener = (residual.mean(axis=1) ** 2).sum() / 15**2
    by_utterance = (residual.mean(axis=0) ** 2).sum() / 12**2
    both = by_listener + by_utterance + (residual**2).sum() / (15 * 12) ** 2
    assert means.var() == pytest.approx(both, rel=0.1)
    one_way = resampled_means(scores, n_resamples=6000, seed=1, both=False)
    assert one_way.var() == pytest.approx(by_listener, rel=0.08)


def test_bootstrap_is_seeded() -> None:
    scores = simulate_table(crossed_cells(6, 1, 5), [3.5], seed=2).systems[0]
    first, again, other = (
        interval("bootstrap", scores, seed=seed, n_resamples=200) for seed in (1, 1, 2)
    )
    assert (first.low, first.high) == (again.low, again.high)
    assert (first.low, first.high) != (other.low, other.high)


def test_no_random_effect_to_estimate_is_undefined_with_a_reason() -> None:
    """Every rating by its own listener of its own utterance, or one rating a system."""
    names = [str(i) for i in range(12)]
    solo = score_table(["a"] * 12, names, names, [1, 2, 3, 4, 5, 4, 3, 2, 1, 2, 3, 4])
    thin = score_table(["a", "b", "c"], ["x", "y", "x"], ["1", "2", "2"], [1, 3, 5])
    for table in (solo, thin):
        assert fit_ratings(table) is None
        for found in INTERVALS["lmm"].compute(table, IntervalOptions()):
            assert math.isnan(found.half_width)
            assert "no random effects" in found.reason


def test_an_interaction_that_is_its_listener_is_not_estimated_beside_it() -> None:
    """Listeners who heard one system each: nobody can tell strictness from taste."""
    cells = crossed_cells(16, 1, 8)
    systems = cells.listeners % 2
    random = np.random.default_rng(0)
    scores = 3 + random.normal(0, 0.5, 16)[cells.listeners] + random.normal(0, 0.5, len(systems))
    table = score_table(
        systems.astype(str), cells.listeners.astype(str), cells.utterances.astype(str), scores
    )
    model = fit_ratings(table)
    assert model is not None
    assert list(model.deviations) == ["listener", "utterance", "utterance:system", "residual"]
