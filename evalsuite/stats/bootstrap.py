"""Bootstrap intervals: listeners and utterances drawn again, with replacement.

A resample gives every listener a weight (how often it was drawn) and every utterance another; a
rating counts with the product. Owen 2007, "The pigeonhole bootstrap", Ann. Appl. Stat. 1
(recalled): drawing both ways overstates the variance a little, it counts the residual about three
times. Sums go through one sparse listener x utterance table a system: no dense table is made.
"""

import math
import zlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from evalsuite.stats.interval import (
    NEW_LISTENERS_AND_SENTENCES,
    THESE_SENTENCES,
    Interval,
    IntervalOptions,
    undefined,
)
from evalsuite.stats.scores import Codes, SystemScores

__all__ = ["bootstrap_interval", "listener_bootstrap_interval", "resampled_means"]

# Numbers held at once by the dense intermediate of a chunk of resamples.
_CHUNK_NUMBERS = 4_000_000


def bootstrap_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """Percentile interval over resampled listeners and utterances."""
    return _interval("bootstrap", NEW_LISTENERS_AND_SENTENCES, scores, options, both=True)


def listener_bootstrap_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """Percentile interval over resampled listeners alone: these sentences, new listeners."""
    return _interval("bootstrap_listeners", THESE_SENTENCES, scores, options, both=False)


def resampled_means(
    scores: SystemScores, *, n_resamples: int, seed: int, both: bool
) -> NDArray[np.float64]:
    """Weighted mean of each resample, float64, shape (n_resamples,).

    A resample that holds no rating at all is drawn again. The same seed gives the same numbers,
    whatever other systems there are: the system's name takes part in it.
    """
    random = np.random.default_rng((seed, zlib.crc32(scores.system.encode())))
    table = _Table(scores, both=both)
    means = np.empty(0)
    while len(means) < n_resamples:
        found = np.concatenate([*table.draw(n_resamples - len(means), random)])
        means = np.concatenate([means, found])
    return means


class _Table:
    """Sums and counts of the ratings by listener and utterance."""

    def __init__(self, scores: SystemScores, *, both: bool) -> None:
        listeners, self._n_listeners = _dense_codes(scores.listeners)
        utterances, self._n_utterances = _dense_codes(scores.utterances)
        if not both:
            utterances, self._n_utterances = np.zeros_like(utterances), 1
        shape = (self._n_listeners, self._n_utterances)
        places = (listeners, utterances)
        ones = np.ones(scores.n)
        self._sums = scipy.sparse.csr_array((scores.scores, places), shape=shape)
        self._counts = scipy.sparse.csr_array((ones, places), shape=shape)
        self._both = both

    def draw(self, n_resamples: int, random: np.random.Generator) -> Iterator[NDArray[np.float64]]:
        """Means of resamples, those without any rating left out."""
        chunk = max(1, _CHUNK_NUMBERS // (self._n_listeners + self._n_utterances))
        for start in range(0, n_resamples, chunk):
            n = min(chunk, n_resamples - start)
            by_listener = _weights(n, self._n_listeners, random)
            by_utterance = np.ones((n, 1))
            if self._both:
                by_utterance = _weights(n, self._n_utterances, random)
            sums = (np.asarray(by_listener @ self._sums) * by_utterance).sum(axis=1)
            counts = (np.asarray(by_listener @ self._counts) * by_utterance).sum(axis=1)
            yield sums[counts > 0] / counts[counts > 0]


def _interval(
    method: str, scope: str, scores: SystemScores, options: IntervalOptions, *, both: bool
) -> Interval:
    fewest = min(scores.n_listeners, scores.n_utterances) if both else scores.n_listeners
    if fewest < 2:
        return undefined(method, scope, scores, options, "one listener or one utterance to draw")
    means = resampled_means(scores, n_resamples=options.n_resamples, seed=options.seed, both=both)
    tail = (1 - options.confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail]).tolist()
    warnings: tuple[str, ...] = ()
    if scores.constant:
        warnings = (
            f"{scores.system}: all {scores.n} scores are equal, so the interval has no width",
        )
    empty = undefined(method, scope, scores, options, "")
    return replace(
        empty, half_width=(high - low) / 2, df=math.inf, ends=(low, high), warnings=warnings
    )


def _weights(n: int, size: int, random: np.random.Generator) -> NDArray[np.float64]:
    """How often each of `size` was drawn in each of `n` resamples, shape (n, size)."""
    return random.multinomial(size, np.full(size, 1 / size), size=n).astype(np.float64)


def _dense_codes(codes: Codes) -> tuple[Codes, int]:
    present, dense = np.unique(codes, return_inverse=True)
    return dense.astype(np.int64), len(present)
