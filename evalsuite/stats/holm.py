"""Adjust p-values for the number of comparisons: Holm's step-down procedure."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["holm"]


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values so that the chance of any false positive in the family keeps its level.

    Holm 1979, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6: the
    i-th smallest of m is multiplied with m - i + 1; the results never fall in that order and never
    exceed 1. Valid for any dependence between the tests.

    Parameters
    ----------
    p : shape (m,). NaN marks a test that was not made: it stays NaN and does not count.

    >>> holm([0.01, 0.04, float("nan"), 0.03]).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    made = np.flatnonzero(~np.isnan(values))
    order = made[np.argsort(values[made], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return adjusted
