"""Absolute category rating: one sample, one of five categories, no reference.

*Conventions* The categories and their English names are those of the listening-quality scale of
ITU-T P.800, annex B. A score is the category's number; nothing lies between two categories.
"""

from collections.abc import Mapping, Sequence

from evalsuite.errors import StoreError

__all__ = ["LABELS", "NAME", "QUESTION", "SCALE", "SLOTS", "check_scores"]

NAME = "acr"
SCALE = "acr5"  # what the `scale` column of the ratings table says
SLOTS = 1  # stimuli in a trial
QUESTION = "How good is the quality of this speech?"
LABELS: Mapping[int, str] = {5: "Excellent", 4: "Good", 3: "Fair", 2: "Poor", 1: "Bad"}


def check_scores(scores: Sequence[float], allowed: Sequence[int]) -> None:
    """Accept one score that is a category of the scale.

    Raises
    ------
    StoreError if there is not exactly one score, or it is none of `allowed`.

    >>> check_scores([4], [1, 2, 3, 4, 5])
    """
    if len(scores) != SLOTS or scores[0] not in allowed:
        raise StoreError(
            f"scores {list(scores)!r}",
            wanted=f"one score out of {sorted(allowed)}",
            do="send the category that the listener chose",
        )
