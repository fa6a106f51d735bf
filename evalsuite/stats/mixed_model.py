"""A linear mixed model with crossed random effects, fitted by REML.

``score = system + listener + utterance + listener:system + utterance:system + residual``, the last
five random. The penalised least-squares form and the profiled REML criterion are those of Bates,
Mächler, Bolker and Walker 2015, "Fitting linear mixed-effects models using lme4", J. Stat. Softw.
67, eqs. (13) to (42); degrees of freedom after Satterthwaite as in Kuznetsova, Brockhoff and
Christensen 2017, J. Stat. Softw. 82. Own code: the libraries that were tried are either dense
(statsmodels) or too young to depend on.

*Cost* One sparse factorisation per evaluation; its size is the number of listeners and utterances
times the number of systems, not the number of ratings.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray
from scipy.special import stdtrit

from evalsuite.stats.interval import (
    NEW_LISTENERS_AND_SENTENCES,
    Interval,
    IntervalOptions,
    defined,
    undefined,
)
from evalsuite.stats.scores import Codes, ScoreTable

__all__ = ["MixedModel", "fit_mixed_model", "fit_ratings", "lmm_intervals"]

Array = NDArray[np.float64]
# Below this ratio to the residual's deviation a random effect counts as absent.
_AT_THE_BOUNDARY = 1e-4


@dataclass(frozen=True, eq=False)
class MixedModel:
    """A fitted model.

    Parameters
    ----------
    estimates : float64, shape (p,), fixed effects.
    covariance : float64, shape (p, p), of the estimates.
    df : float64, shape (p,), Satterthwaite's for each estimate.
    deviations : random effect -> standard deviation, with ``residual`` last.
    reml_criterion : minus twice the restricted log likelihood.
    """

    estimates: Array
    covariance: Array
    df: Array
    deviations: dict[str, float]
    reml_criterion: float


def fit_mixed_model(y: Array, fixed: Array, groups: Mapping[str, Codes]) -> MixedModel:
    """Fit by restricted maximum likelihood.

    Parameters
    ----------
    y : float64, shape (n,).
    fixed : float64, shape (n, p), columns of the fixed effects, of full rank.
    groups : random effect -> codes, shape (n,); each level gets one random intercept.
    """
    problem = _Problem(y, fixed, list(groups.values()))
    start = np.full(len(groups), 0.5)
    found = scipy.optimize.minimize(
        problem.profiled, start, method="L-BFGS-B", bounds=[(0.0, None)] * len(groups),
        options={"ftol": 1e-12, "gtol": 1e-7},
    )  # fmt: skip
    # L-BFGS-B takes its gradient by differences, which a few simplex steps outdo at the end.
    found = scipy.optimize.minimize(
        problem.profiled, found.x, method="Nelder-Mead", bounds=[(0.0, None)] * len(groups),
        options={"xatol": 1e-5, "fatol": 1e-8, "maxfev": 60 * len(groups)},
    )  # fmt: skip
    ratios = np.where(found.x < _AT_THE_BOUNDARY, 0.0, found.x)
    solution = problem.solve(ratios)
    sigma = math.sqrt(solution.residual_squares / problem.df_residual)
    names = [*groups, "residual"]
    deviations = dict(zip(names, [*(ratios * sigma).tolist(), sigma], strict=True))
    return MixedModel(
        estimates=solution.estimates,
        covariance=sigma**2 * solution.unscaled_covariance,
        df=_satterthwaite(problem, ratios, sigma),
        deviations=deviations,
        reml_criterion=problem.profiled(ratios),
    )


def fit_ratings(table: ScoreTable) -> MixedModel | None:
    """Fit the model of this module to a rating table; None if it cannot be identified.

    Random effects that the design does not tell from another part are left out: `deviations` of the
    result says which were estimated.
    """
    y = np.concatenate([one.scores for one in table.systems])
    system = np.repeat(np.arange(len(table.systems)), [one.n for one in table.systems])
    listener = np.concatenate([one.listeners for one in table.systems])
    utterance = np.concatenate([one.utterances for one in table.systems])
    n_systems = len(table.systems)
    if min(len(table.listeners), len(table.utterances)) < 2 or np.ptp(y) == 0:
        return None
    if len(y) <= n_systems:
        return None
    groups = {"listener": listener, "utterance": utterance}
    if n_systems > 1:
        groups |= {
            "listener:system": listener * n_systems + system,
            "utterance:system": utterance * n_systems + system,
        }
    # An effect with a level for every rating is the residual itself, and an interaction with a
    # level for every listener (who heard one system each) is the listener.
    sizes = {name: len(np.unique(codes)) for name, codes in groups.items()}
    groups = {
        name: codes
        for name, codes in groups.items()
        if sizes[name] < len(y)
        and (":" not in name or sizes[name] > sizes[name.removesuffix(":system")])
    }
    if not groups:
        return None
    fixed = (system[:, None] == np.arange(n_systems)).astype(np.float64)
    return fit_mixed_model(y, fixed, groups)


def lmm_intervals(table: ScoreTable, options: IntervalOptions) -> list[Interval]:
    """Intervals of all systems from one mixed model."""
    method, scope = "lmm", NEW_LISTENERS_AND_SENTENCES
    model = fit_ratings(table)
    if model is None:
        reason = (
            "one listener, one utterance, equal scores, or a listener and an utterance of its own "
            "for every rating: no random effects to estimate"
        )
        return [undefined(method, scope, one, options, reason) for one in table.systems]
    found = []
    for row, scores in enumerate(table.systems):
        error = math.sqrt(model.covariance[row, row])
        df = float(model.df[row])
        interval = defined(
            method, scope, scores, options,
            standard_error=error, quantile=float(stdtrit(df, 0.5 + options.confidence / 2)), df=df,
        )  # fmt: skip
        found.append(_around(interval, float(model.estimates[row])))
    return found


def _around(interval: Interval, estimate: float) -> Interval:
    """Move the interval to the model's own estimate, which weights an unbalanced design."""
    ends = (estimate - interval.half_width, estimate + interval.half_width)
    return replace(interval, estimate=estimate, ends=ends)


@dataclass(frozen=True, eq=False)
class _Solution:
    estimates: Array
    unscaled_covariance: Array
    residual_squares: float
    log_determinants: float


class _Problem:
    """The cross products of the model, which are all that its fit needs of the data."""

    def __init__(self, y: Array, fixed: Array, groups: Sequence[Codes]) -> None:
        columns, sizes, offset = [], [], 0
        for codes in groups:
            levels, dense = np.unique(codes, return_inverse=True)
            columns.append(dense + offset)
            sizes.append(len(levels))
            offset += len(levels)
        n = len(y)
        places = (np.tile(np.arange(n), len(groups)), np.concatenate(columns))
        design = scipy.sparse.csc_array((np.ones(n * len(groups)), places), shape=(n, offset))
        self._sizes = np.array(sizes)
        self._zz = (design.T @ design).tocsc()
        self._zx: Array = np.asarray(design.T @ fixed)
        self._zy: Array = np.asarray(design.T @ y)
        self._xx, self._xy, self._yy = fixed.T @ fixed, fixed.T @ y, float(y @ y)
        self._identity = scipy.sparse.eye_array(offset, format="csc")
        self.df_residual = n - fixed.shape[1]

    def solve(self, ratios: Array) -> _Solution:
        """Penalised least squares for given ratios of deviations to the residual's."""
        scale = np.repeat(ratios, self._sizes)
        diagonal = scipy.sparse.diags_array(scale, format="csc")
        system = (diagonal @ self._zz @ diagonal + self._identity).tocsc()
        factor = scipy.sparse.linalg.splu(
            system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )  # fmt: skip
        zx, zy = scale[:, None] * self._zx, scale * self._zy
        inner_x, inner_y = factor.solve(zx), factor.solve(zy)
        schur = self._xx - zx.T @ inner_x
        right = self._xy - zx.T @ inner_y
        estimates: Array = np.linalg.solve(schur, right).astype(np.float64)
        residual = self._yy - float(zy @ inner_y) - float(right @ estimates)
        log_z = float(np.log(np.abs(factor.U.diagonal())).sum())
        log_x = float(np.linalg.slogdet(schur)[1])
        unscaled: Array = np.linalg.inv(schur).astype(np.float64)
        return _Solution(estimates, unscaled, max(residual, 1e-300), log_z + log_x)

    def profiled(self, ratios: Array) -> float:
        """REML criterion with the residual's deviation at its best value."""
        solution = self.solve(np.abs(ratios))
        scaled = 2 * math.pi * solution.residual_squares / self.df_residual
        return float(solution.log_determinants + self.df_residual * (1 + math.log(scaled)))

    def criterion(self, parameters: Array) -> float:
        """REML criterion of ratios and, last, the residual's deviation."""
        solution = self.solve(parameters[:-1])
        variance = float(parameters[-1]) ** 2
        scaled = math.log(2 * math.pi * variance)
        return float(
            solution.log_determinants
            + self.df_residual * scaled
            + solution.residual_squares / variance
        )

    def variances(self, parameters: Array) -> Array:
        """Variance of each estimate, shape (p,)."""
        unscaled = np.diag(self.solve(parameters[:-1]).unscaled_covariance)
        variances: Array = unscaled * float(parameters[-1]) ** 2
        return variances


def _satterthwaite(problem: _Problem, ratios: Array, sigma: float) -> Array:
    """``2 v^2 / Var(v)`` with Var(v) by the delta method; absent effects are left out."""
    inside = np.append(ratios > 0, True)
    at = np.append(ratios, sigma)

    def place(free: Array) -> Array:
        full = np.where(inside, 0.0, at)
        full[inside] = free
        return full

    free = at[inside]
    steps = 1e-3 * free
    hessian = _hessian(lambda x: problem.criterion(place(x)), free, steps)
    covariance = 2 * np.linalg.pinv(hessian, hermitian=True)
    gradients = np.array(
        [
            (problem.variances(place(free + step)) - problem.variances(place(free - step)))
            / (2 * step.max())
            for step in np.diag(steps)
        ]
    )
    spread = np.einsum("ip,ij,jp->p", gradients, covariance, gradients)
    df: Array = 2 * problem.variances(at) ** 2 / np.maximum(spread, 1e-300)
    return df


def _hessian(function: Callable[[Array], float], at: Array, steps: Array) -> Array:
    """Second derivatives by central differences."""
    size = len(at)
    moves = np.diag(steps)
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(i, size):
            corners = (
                function(at + moves[i] + moves[j])
                - function(at + moves[i] - moves[j])
                - function(at - moves[i] + moves[j])
                + function(at - moves[i] - moves[j])
            )
            hessian[i, j] = hessian[j, i] = corners / (4 * steps[i] * steps[j])
    return hessian
