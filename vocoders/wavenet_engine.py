"""What every engine that runs a WaveNet one sample at a time offers.

*Lanes* are utterances that are generated side by side: one row each in every product. An
utterance's samples must not depend on its neighbours, so each row of a product must have the same
bits whatever stands in the other rows, and however many there are: see `LaneRange`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vocoders.wavenet_output import Output

__all__ = ["CHUNK", "LaneEngine", "LaneRange", "lane_range"]

#: Samples between two moments at which lanes may change utterances; conditioning comes in such
#: portions, and no block of past taps is longer.
CHUNK = 32


class LaneEngine(ABC):
    """Steps through time in `lanes` utterances at once.

    Call `restart` for the lanes that begin an utterance and `condition`, then `generate_chunk`, or
    `step` with 0 to ``CHUNK - 1``; then `restart` and `condition` again, and so on.

    Parameters
    ----------
    lanes : rows of every input and output.
    """

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes

    @abstractmethod
    def restart(self, lane: int) -> None:
        """Forget the past of a lane, before a chunk: its next utterance begins with silence."""

    @abstractmethod
    def condition(self, rows: Tensor) -> None:
        """Take the up-sampled mel of the next chunk, float32, shape (CHUNK, lanes, n_mels)."""

    @abstractmethod
    def step(self, position: int, codes: Tensor) -> Tensor:
        """Predict one sample.

        Parameters
        ----------
        position : in the chunk.
        codes : the samples before, shape (lanes,); see `vocoders.wavenet_output`.

        Returns
        -------
        Shape (lanes, out_channels); valid until the next call.
        """

    def generate_chunk(self, codes: Tensor, prepared: Tensor, output: Output) -> Tensor:
        """Generate `CHUNK` samples in every lane, after `condition`.

        Parameters
        ----------
        codes : the samples before, shape (lanes,).
        prepared : of `Output.prepare`, shape (CHUNK, lanes, n_draws).

        Returns
        -------
        Shape (lanes, CHUNK).
        """
        made = []
        for position in range(CHUNK):
            codes = output.sample(self.step(position, codes), prepared[position])
            made.append(codes)
        return torch.stack(made, dim=1)

    def bytes_per_sample(self) -> float | None:
        """Bytes of weights read for one sample of one lane; None if the engine reads them all."""
        return None

    def narrowed(self, kept: Sequence[int], lanes: int) -> "LaneEngine":
        """Go on with fewer lanes, between two chunks.

        Parameters
        ----------
        kept : lanes that go on; they become the first ones, in this order.
        lanes : of the new engine, at least as many.
        """
        raise ValueError(f"{type(self).__name__} has a fixed number of lanes")


@dataclass(frozen=True)
class LaneRange:
    """How many lanes an engine may have without changing anybody's samples.

    Where fewest and most are equal, idle lanes compute along.
    """

    fewest: int
    most: int

    def fit(self, n_utterances: int) -> int:
        """Lanes for so many utterances.

        >>> [LaneRange(2, 64).fit(n) for n in (1, 5, 100)]
        [2, 5, 64]
        """
        return max(self.fewest, min(self.most, n_utterances))


def lane_range(matrices: Iterable[Tensor], most: int) -> LaneRange:
    """Find out how many lanes give every row the same bits, by trying.

    Matrix libraries choose a kernel by the shape. One row is a case of its own everywhere; from two
    rows on, those of CPUs usually sum each row alike. On other devices, and where a trial fails,
    the number stays fixed: equal shapes take equal kernels.

    Parameters
    ----------
    matrices : that rows are multiplied with, each (inputs, outputs).
    most : lanes asked for.
    """
    fewest = min(2, most)
    shapes = {tuple(matrix.shape): matrix for matrix in matrices}
    if all(_rows_are_alike(matrix, fewest, most) for matrix in shapes.values()):
        return LaneRange(fewest, most)
    return LaneRange(most, most)


def _rows_are_alike(matrix: Tensor, fewest: int, most: int) -> bool:
    if matrix.device.type != "cpu":
        return fewest == most
    source = torch.Generator().manual_seed(0)
    rows = torch.randn(CHUNK * most, matrix.shape[0], generator=source)
    start = torch.randn(len(rows), matrix.shape[1], generator=source)
    whole = torch.addmm(start, rows, matrix)
    counts = {*range(fewest, most + 1), *(fewest * 2**n for n in range(CHUNK.bit_length()))}
    return all(
        torch.equal(torch.addmm(start[:n], rows[:n], matrix), whole[:n])
        for n in sorted(counts)
        if n <= len(rows)
    )
