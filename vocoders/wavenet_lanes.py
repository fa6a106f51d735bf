"""Many utterances through one engine: each has its own random numbers, finished lanes are refilled.

An utterance's samples depend on its mel and its seed, not on its neighbours: see
`vocoders.wavenet_engine`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from vocoders.wavenet_engine import CHUNK, LaneEngine, LaneRange
from vocoders.wavenet_output import Output
from vocoders.wavenet_upsampler import StretchUpsampler, TransposedUpsampler, upsample_window

__all__ = ["SamplesMade", "Task", "codes_as_finished", "generate_codes"]

#: Is told how many samples a call has made so far.
SamplesMade = Callable[[int], None]

# A window of conditioning is 2.6 MB at a hop of 256; whole utterances in 64 lanes would be 4 GB.
# So many frames are whole chunks at any hop.
_FRAMES_PER_WINDOW = CHUNK


@dataclass(frozen=True, eq=False)
class Task:
    """One utterance to generate.

    Parameters
    ----------
    mel : as the network wants it, float32, shape (n_mels, frames), on the engine's device.
    n_samples : at least 1, at most hop times frames.
    seed : of this utterance's random numbers.
    draws : instead of drawn ones, shape (n_samples, n_draws); see `vocoders.wavenet_output`.
    """

    mel: Tensor
    n_samples: int
    seed: int
    draws: Tensor | None = None


@dataclass(eq=False)
class _Utterance:
    """A task under way."""

    number: int
    chunks: Iterator[tuple[Tensor, Tensor]]
    codes: Tensor
    n_done: int = 0

    @property
    def complete(self) -> bool:
        return self.n_done == len(self.codes)

    def keep(self, made: Tensor) -> int:
        """Take the samples of a chunk but for what goes beyond the end; count them."""
        n_kept = min(len(made), len(self.codes) - self.n_done)
        self.codes[self.n_done : self.n_done + n_kept] = made[:n_kept]
        self.n_done += n_kept
        return n_kept


def generate_codes(
    make_engine: Callable[[int], LaneEngine],
    lanes: LaneRange,
    upsampler: TransposedUpsampler | StretchUpsampler,
    output: Output,
    tasks: Sequence[Task],
) -> list[Tensor]:
    """Generate utterances as `codes_as_finished` does.

    Returns
    -------
    Codes of each task in the given order, on the CPU, shape (n_samples,).
    """
    made = dict(codes_as_finished(make_engine, lanes, upsampler, output, tasks))
    return [made[number] for number in range(len(tasks))]


def codes_as_finished(
    make_engine: Callable[[int], LaneEngine],
    lanes: LaneRange,
    upsampler: TransposedUpsampler | StretchUpsampler,
    output: Output,
    tasks: Sequence[Task],
    progress: SamplesMade | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Generate utterances, the longest first, so that no long one is left alone at the end.

    Parameters
    ----------
    make_engine : number of lanes -> engine.
    lanes : how many there may be; when fewer than half still run and none waits, they close ranks.
    progress : called after every chunk.

    Yields
    ------
    Number of a task and its codes, on the CPU, shape (n_samples,), as soon as they are complete.
    """
    if not tasks:
        return
    waiting = sorted(range(len(tasks)), key=lambda number: tasks[number].n_samples)
    loop = _Loop(make_engine(lanes.fit(len(tasks))), output, tasks[0].mel.device)
    while waiting or loop.n_running:
        for lane in loop.idle_lanes()[: len(waiting)]:
            number = waiting.pop()
            codes = torch.empty(tasks[number].n_samples, dtype=output.code_dtype)
            chunks = _chunks(tasks[number], upsampler, output)
            loop.begin(lane, _Utterance(number, chunks, codes))
        if lanes.fit(2 * loop.n_running) < loop.n_lanes:
            loop.close_ranks(lanes.fit(loop.n_running))
        finished = loop.run_chunk()
        if progress is not None:
            progress(loop.n_made)
        for utterance in finished:
            yield utterance.number, utterance.codes


class _Loop:
    """The engine, what its lanes do, and the samples that are fed back.

    Attributes
    ----------
    n_made : samples of all utterances so far.
    """

    def __init__(self, engine: LaneEngine, output: Output, device: torch.device) -> None:
        self._engine, self._output = engine, output
        self.n_made = 0
        self._lanes: list[_Utterance | None] = [None] * engine.lanes
        self._codes = torch.full(
            (engine.lanes,), output.first_code, dtype=output.code_dtype, device=device
        )

    @property
    def n_lanes(self) -> int:
        return self._engine.lanes

    @property
    def n_running(self) -> int:
        return sum(lane is not None for lane in self._lanes)

    def idle_lanes(self) -> list[int]:
        return [number for number, lane in enumerate(self._lanes) if lane is None]

    def begin(self, lane: int, utterance: _Utterance) -> None:
        """Give an idle lane an utterance."""
        self._lanes[lane] = utterance
        self._codes[lane] = self._output.first_code
        self._engine.restart(lane)

    def close_ranks(self, n_lanes: int) -> None:
        """Go on with fewer lanes."""
        kept = [number for number, lane in enumerate(self._lanes) if lane is not None]
        self._engine = self._engine.narrowed(kept, n_lanes)
        n_idle = n_lanes - len(kept)
        self._lanes = [*(self._lanes[number] for number in kept), *([None] * n_idle)]
        self._codes = torch.cat([self._codes[kept], self._codes[:n_idle]])

    def run_chunk(self) -> list[_Utterance]:
        """Generate `CHUNK` samples in every lane; return the utterances that are complete."""
        condition, prepared = self._next_inputs()
        self._engine.condition(condition)
        made = self._engine.generate_chunk(self._codes, prepared, self._output)
        self._codes, made = made[:, -1], made.cpu()
        finished = []
        for number, lane in enumerate(self._lanes):
            if lane is None:
                continue
            self.n_made += lane.keep(made[number])
            if lane.complete:
                finished.append(lane)
                self._lanes[number] = None
        return finished

    def _next_inputs(self) -> tuple[Tensor, Tensor]:
        """Conditioning and prepared draws of every lane, time first; idle lanes get zeros."""
        portions = {n: next(lane.chunks) for n, lane in enumerate(self._lanes) if lane is not None}
        idle = tuple(torch.zeros_like(part) for part in next(iter(portions.values())))
        filled = [portions.get(number, idle) for number in range(self.n_lanes)]
        return (
            torch.stack([portion[0] for portion in filled], dim=1),
            torch.stack([portion[1] for portion in filled], dim=1),
        )


def _chunks(
    task: Task, upsampler: TransposedUpsampler | StretchUpsampler, output: Output
) -> Iterator[tuple[Tensor, Tensor]]:
    """Conditioning (CHUNK, n_mels) and prepared draws (CHUNK, n_draws); zeros fill the last."""
    for window, draws in _windows(task, upsampler, output):
        missing = -len(window) % CHUNK
        rows, numbers = (pad(part, (0, 0, 0, missing)) for part in (window, draws))
        yield from zip(torch.split(rows, CHUNK), torch.split(numbers, CHUNK), strict=True)


def _windows(
    task: Task, upsampler: TransposedUpsampler | StretchUpsampler, output: Output
) -> Iterator[tuple[Tensor, Tensor]]:
    """Conditioning and prepared draws of some frames at a time; all but the last whole chunks."""
    source = torch.Generator().manual_seed(task.seed)
    n_frames, n_done = task.mel.shape[1], 0
    for first in range(0, n_frames, _FRAMES_PER_WINDOW):
        last = min(first + _FRAMES_PER_WINDOW, n_frames)
        window = upsample_window(upsampler, task.mel, first, last)[: task.n_samples - n_done]
        if not len(window):
            return
        if task.draws is None:
            draws = output.draw(len(window), source)
        else:
            draws = task.draws[n_done : n_done + len(window)]
        n_done += len(window)
        yield window, output.prepare(draws).to(task.mel.device)
