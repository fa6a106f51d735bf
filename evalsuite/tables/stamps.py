"""What every table of ratings says first: that nobody listened, or no person spoke."""

from collections.abc import Sequence

from evalsuite.analysis import Analysis

__all__ = ["table_stamps"]


def table_stamps(analysis: Analysis, stamps: Sequence[str] = ()) -> list[str]:
    """Return the stamp of simulated ratings, if there are any, before those of the run."""
    simulated = [f"SIMULATED LISTENERS: {analysis.n_simulated} of {analysis.n} ratings"]
    return [*(simulated if analysis.simulated else []), *stamps]
