"""How long the whole default analysis takes: ``python -m evalsuite.stats.speed``.

Prints process CPU seconds and peak memory for 1,000, 100,000 and 1,000,000 simulated ratings. A
benchmark, not a test: machines differ, so nothing here passes or fails.
"""

import resource
import sys
import time

import numpy as np
import pandas as pd

from evalsuite.analysis import analyse
from evalsuite.ratings import ratings_from_frame
from evalsuite.stats.simulate import random_cells, simulate_scores

__all__ = ["main"]

#: Listeners, systems, utterances, ratings of each listener.
SIZES = ((50, 5, 20, 20), (1000, 5, 100, 100), (5000, 10, 200, 200))
METHODS = ("paper", "t", "cluster2", "moments")


def main() -> None:
    """Print one line a size."""
    print("ratings  read s  report s  peak MiB")
    for n_listeners, n_systems, n_utterances, n_each in SIZES:
        cells = random_cells(n_listeners, n_systems, n_utterances, n_each, seed=0)
        scores = simulate_scores(cells, np.linspace(2, 4.5, n_systems).tolist(), seed=1)
        frame = pd.DataFrame(
            {
                "listener": cells.listeners.astype(str),
                "system": cells.systems.astype(str),
                "utterance": cells.utterances.astype(str),
                "score": scores,
                "simulated": True,
            }
        )
        start = time.process_time()
        ratings = ratings_from_frame(frame, source="simulated")
        read = time.process_time()
        analyse(ratings, methods=METHODS)
        end = time.process_time()
        # Kilobytes on Linux, bytes on macOS.
        unit = 1024**2 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
        print(f"{len(frame):>7}  {read - start:>6.2f}  {end - read:>8.2f}  {peak:>8}")


if __name__ == "__main__":
    main()
