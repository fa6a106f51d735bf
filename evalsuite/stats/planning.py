"""How many listeners, sentences and ratings a test needs, before it is run.

The variances of a mean and of a difference follow from the parts of a score
(`evalsuite.stats.simulate.Effects`) and the design::

    mean        s_L^2 / L + s_U^2 / U + s_LS^2 / L + s_US^2 / U + s_e^2 / N
    difference  2 (s_LS^2 / L + s_US^2 / U + s_e^2 / N), if both systems are heard by the same
                listeners on the same sentences

with L listeners, U utterances and N ratings of each system. More listeners for the same sentences
shrink two of the parts alone: sentences are the bottleneck of most tests.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy.special import ndtri, stdtrit

from evalsuite.errors import TooFewRatings, UsageError
from evalsuite.stats.comparisons import compare
from evalsuite.stats.mixed_model import fit_ratings
from evalsuite.stats.scores import ScoreTable
from evalsuite.stats.simulate import Cells, Effects, simulate_table

__all__ = [
    "MEASURED_EFFECTS",
    "PLANNED_POWER",
    "Plan",
    "effects_from_pilot",
    "minimal_detectable_difference",
    "plan_half_width",
    "plan_listeners",
    "require_ratings_each",
    "simulated_power",
]

#: Of the difference that a plan calls detectable.
PLANNED_POWER = 0.8
# Variance of the error of rounding to whole points (uniform over one point).
_ROUNDING = 1 / 12

#: Deviations that mixed models found in real tests: the crowd panel of Blizzard 2009, and VoiceMOS
#: 2024 track 3.
MEASURED_EFFECTS = {
    "blizzard_2009_crowd": Effects(0.36, 0.30, 0.25, 0.43, 0.66),
    "voicemos_2024": Effects(0.40, 0.44, 0.31, 0.35, 0.54),
}


@dataclass(frozen=True)
class Plan:
    """Size of a test, per system.

    Parameters
    ----------
    n_listeners, n_utterances : who and what.
    n_ratings : of each system; every listener gives the same number of them.
    half_width : expected, of a system's mean at 95 %.
    detectable_difference : that is found with 80 % power at 5 %.
    """

    n_listeners: int
    n_utterances: int
    n_ratings: int
    half_width: float
    detectable_difference: float


def plan_half_width(
    effects: Effects, n_listeners: int, n_utterances: int, n_ratings: int, *,
    confidence: float = 0.95,
) -> float:  # fmt: skip
    """Expected half width of the interval of a system's mean, with t(min(L, U) - 1).

    Raises
    ------
    UsageError for fewer than two listeners or utterances, or more ratings than stimuli allow.
    """
    _require_size(n_listeners, n_utterances, n_ratings)
    variance = (
        (effects.listener**2 + effects.listener_system**2) / n_listeners
        + (effects.utterance**2 + effects.utterance_system**2) / n_utterances
        + effects.noise**2 / n_ratings
    )
    df = min(n_listeners, n_utterances) - 1
    return float(stdtrit(df, 0.5 + confidence / 2)) * math.sqrt(variance)


def minimal_detectable_difference(
    effects: Effects,
    n_listeners: int,
    n_utterances: int,
    n_ratings: int,
    *,
    power: float = PLANNED_POWER,
    alpha: float = 0.05,
) -> float:
    """Difference of two systems that is found with this power, heard by the same listeners.

    ``(quantile(1 - alpha / 2) + quantile(power)) * sqrt(variance)``, with t quantiles below 30
    degrees of freedom and normal ones from there on.

    Raises
    ------
    UsageError as `plan_half_width`.
    """
    _require_size(n_listeners, n_utterances, n_ratings)
    variance = 2 * (
        effects.listener_system**2 / n_listeners
        + effects.utterance_system**2 / n_utterances
        + effects.noise**2 / n_ratings
    )
    df = min(n_listeners, n_utterances) - 1
    if df < 30:
        quantiles = float(stdtrit(df, 1 - alpha / 2) + stdtrit(df, power))
    else:
        quantiles = float(ndtri(1 - alpha / 2) + ndtri(power))
    return quantiles * math.sqrt(variance)


def plan_listeners(
    effects: Effects,
    *,
    n_utterances: int,
    n_ratings_each: int,
    half_width: float | None = None,
    difference: float | None = None,
    max_listeners: int = 10_000,
) -> Plan | None:
    """Smallest number of listeners that reaches what is wanted; None if no number does.

    Parameters
    ----------
    n_ratings_each : ratings that a listener gives to each system, at most `n_utterances`.
    half_width, difference : wanted, in points; at least one of them.

    Raises
    ------
    UsageError if neither is given, one is not above 0, or the design is impossible.
    """
    wanted = {"half width": half_width, "difference": difference}
    if half_width is None and difference is None:
        raise UsageError(
            "neither a half width nor a difference",
            wanted="what the test must reach",
            do="give one of them, in points of the scale",
        )
    for name, value in wanted.items():
        if value is not None and not value > 0:
            raise UsageError(
                f"a {name} of {value:g} points",
                wanted="more than 0 points",
                do=f"give a {name} above 0, such as 0.2",
            )
    require_ratings_each(n_utterances, n_ratings_each)

    def plan(n_listeners: int) -> Plan:
        size = (n_listeners, n_utterances, n_listeners * n_ratings_each)
        return Plan(
            *size,
            plan_half_width(effects, *size),
            minimal_detectable_difference(effects, *size),
        )

    def enough(found: Plan) -> bool:
        return (half_width is None or found.half_width <= half_width) and (
            difference is None or found.detectable_difference <= difference
        )

    if not enough(plan(max_listeners)):
        return None
    low, high = 1, max_listeners  # the answer lies above low and not above high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(plan(middle)) else (middle, high)
    return plan(high)


def simulated_power(
    cells: Cells, means: Sequence[float], effects: Effects, *, n_tests: int, seed: int,
    alpha: float = 0.05,
) -> tuple[float, float]:  # fmt: skip
    """Share of simulated tests in which the default comparison tells systems 0 and 1 apart.

    Parameters
    ----------
    effects : of whole-numbered scores, as a pilot shows them. Rounding added 1/12 to the variance
        of the noise in them (Sheppard's correction), and the simulation rounds again: it is given
        noise without that part.

    Returns
    -------
    Rejection rate and its Monte Carlo error. With equal means it is the false positive rate.
    """
    found = 0
    latent = replace(effects, noise=math.sqrt(max(effects.noise**2 - _ROUNDING, 0.0)))
    for test in range(n_tests):
        table = simulate_table(cells, means, seed=seed + test, effects=latent)
        found += compare(table, [(0, 1)])[0].p < alpha
    rate = found / n_tests
    return rate, math.sqrt(rate * (1 - rate) / n_tests)


def effects_from_pilot(table: ScoreTable) -> Effects:
    """Deviations of a pilot test, from the mixed model.

    Raises
    ------
    TooFewRatings if the pilot does not tell all parts of a score apart: taking one that was not
        estimated for 0 would promise differences that the test cannot find.
    """
    model = fit_ratings(table)
    if model is None:
        raise TooFewRatings(
            "the pilot does not tell listeners and sentences apart",
            wanted="at least two listeners and two utterances, and scores that differ",
            do="collect a larger pilot, or plan without one",
        )
    found = model.deviations
    parts = ("listener", "utterance", "listener:system", "utterance:system", "residual")
    absent = [name for name in parts if name not in found]
    if absent:
        raise TooFewRatings(
            f"the pilot of {len(table.systems)} systems does not show the part "
            f"{' and '.join(absent)} of a score",
            wanted="at least two systems, several utterances of each rated by every listener, and "
            "utterances rated by several listeners",
            do="collect such a pilot, or plan without one",
        )
    return Effects(*(found[name] for name in parts))


def require_ratings_each(n_utterances: int, n_ratings_each: int) -> None:
    """Refuse more ratings of a system by one listener than there are utterances.

    Raises
    ------
    UsageError.
    """
    if n_ratings_each > n_utterances:
        raise UsageError(
            f"{n_ratings_each} ratings of each system by every listener, and {n_utterances} "
            "utterances",
            wanted="no more ratings of a system than utterances: no stimulus is rated twice by one",
            do="raise the number of utterances, or lower the ratings of each listener",
        )


def _require_size(n_listeners: int, n_utterances: int, n_ratings: int) -> None:
    if min(n_listeners, n_utterances) < 2 or not 2 <= n_ratings <= n_listeners * n_utterances:
        raise UsageError(
            f"{n_listeners} listeners, {n_utterances} utterances, {n_ratings} ratings a system",
            wanted="at least two listeners and utterances, and no stimulus rated twice by one",
            do="change the numbers",
        )
