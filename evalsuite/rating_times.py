"""What a rating table tells of the session: the order of the trials, and how long answers took."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalsuite.rater_models import AnswerTimes
from evalsuite.stats.scale_use import Drift, session_drift

__all__ = ["answer_times", "drift_over_trials", "trial_numbers"]


def trial_numbers(frame: pd.DataFrame) -> NDArray[np.float64] | None:
    """Return each rating's place in its listener's session; None if it is not known for all.

    The column is ``trial``, counted from 1 by `evalsuite study export`. (``presentation`` is the
    place of a stimulus within its trial, and says nothing about the session.)
    """
    if "trial" not in frame:
        return None
    numbers: NDArray[np.float64] = pd.to_numeric(frame["trial"], errors="coerce").to_numpy(
        dtype=np.float64
    )
    return None if np.isnan(numbers).any() else numbers


def drift_over_trials(frame: pd.DataFrame) -> Drift | None:
    """Return how scores change over the session; None where the order is not known."""
    trials = trial_numbers(frame)
    if trials is None:
        return None
    listeners, systems = (
        pd.factorize(frame[name])[0].astype(np.int64) for name in ("listener", "system")
    )
    return session_drift(frame["score"].to_numpy(dtype=np.float64), listeners, systems, trials)


def answer_times(
    frame: pd.DataFrame, clip_s: Mapping[tuple[str, str], float] | None
) -> AnswerTimes | None:
    """Return how long every answer took; None where the clock or the samples are not known.

    Parameters
    ----------
    clip_s : (system, utterance) -> seconds of its sample.
    """
    if clip_s is None or not {"shown_at", "submitted_at"} <= set(frame):
        return None
    shown, answered = (
        pd.to_datetime(frame[name], utc=True, errors="coerce", format="ISO8601")
        for name in ("shown_at", "submitted_at")
    )
    cells = zip(frame["system"], frame["utterance"], strict=True)
    seconds = np.asarray((answered - shown).dt.total_seconds(), dtype=np.float64)
    return AnswerTimes(
        frame["listener"].tolist(),
        seconds,
        np.array([clip_s.get(cell, math.nan) for cell in cells], dtype=np.float64),
    )
