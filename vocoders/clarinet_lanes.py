"""The moving state of `vocoders.clarinet_teacher.RingTeacher`: rings, lanes, jobs.

All lanes share one clock. It runs in chunks of a power of two steps; lanes begin and end on
chunks, because there the products of past taps are due for every layer.
"""

import torch
from torch import Tensor, nn

from vocoders.clarinet_matrices import GaussianMatrices
from vocoders.clarinet_network import upsample
from vocoders.gated_layers import gate

__all__ = ["Job", "Lanes"]

#: Frames whose conditioning a lane holds at a time, and frames on both sides that shape it.
SEGMENT_FRAMES, MARGIN_FRAMES = 16, 2
#: Rows of a product of past taps; more would leave the cache.
_CHUNK_ROWS = 1024


class Job:
    """One utterance.

    Parameters
    ----------
    mel : shape (n_mels, frames).
    noise : standard normal, shape (samples,), at most hop * frames.
    hop_length, upsampler : of the teacher.

    Attributes
    ----------
    audio : shape (samples,), filled chunk by chunk.
    n_done : samples finished.
    """

    def __init__(
        self, mel: Tensor, noise: Tensor, hop_length: int, upsampler: nn.Sequential
    ) -> None:
        self.mel, self.noise, self.audio = mel, noise, torch.empty_like(noise)
        self.n_done = 0
        self._hop_length, self._upsampler = hop_length, upsampler
        self._index, self._spread = -1, mel.new_empty(0)

    @property
    def is_done(self) -> bool:
        """Whether all samples are there."""
        return self.n_done >= len(self.noise)

    def conditioning(self, n_steps: int) -> Tensor:
        """Of the next steps, shape (n_mels, at most n_steps): less only at the very end."""
        end = min(self.n_done + n_steps, self.mel.shape[1] * self._hop_length)
        length = SEGMENT_FRAMES * self._hop_length
        pieces, position = [], self.n_done
        while position < end:
            index, offset = divmod(position, length)
            pieces.append(self._segment(index)[:, offset : offset + end - position])
            position += pieces[-1].shape[1]
        return torch.cat(pieces, 1)

    def _segment(self, index: int) -> Tensor:
        """Upsample the mel piece by piece: whole, 64 lanes of ten seconds would take 4.5 GB."""
        if index != self._index:
            first = index * SEGMENT_FRAMES
            before = min(first, MARGIN_FRAMES)
            frames = self.mel[:, first - before : first + SEGMENT_FRAMES + MARGIN_FRAMES]
            start = before * self._hop_length
            spread = upsample(self._upsampler, frames[None])[0]
            self._spread = spread[:, start : start + SEGMENT_FRAMES * self._hop_length].clone()
            self._index = index
        return self._spread

    def take(self, samples: Tensor) -> None:
        """Add the samples of a chunk; what goes beyond the end is dropped."""
        kept = samples[: len(self.noise) - self.n_done]
        self.audio[self.n_done : self.n_done + len(kept)] = kept
        self.n_done += len(kept)


class Lanes:
    """Utterances side by side.

    Parameters
    ----------
    matrices : the teacher.
    n_lanes : at least 2.
    """

    def __init__(self, matrices: GaussianMatrices, n_lanes: int) -> None:
        config = matrices.config
        assert config.kernel == 2, "a ring is one past tap"
        self.matrices, self.n_lanes = matrices, n_lanes
        self.jobs: list[Job | None] = [None] * n_lanes
        self.chunk = _chunk_steps(n_lanes)
        self.clock = 0
        width, like = 2 * config.channels, matrices.front
        # Row t mod d of a layer's ring: x in the first columns, the skips so far in the others.
        self.rings = [like.new_zeros(d, n_lanes, width) for d in config.dilations]
        self.samples = like.new_zeros(n_lanes, config.front_kernel + self.chunk)
        self._make_views()

    @property
    def n_running(self) -> int:
        """Lanes with an unfinished utterance."""
        return sum(job is not None for job in self.jobs)

    def has_room(self) -> bool:
        """Whether a lane is free."""
        return None in self.jobs

    def start(self, job: Job) -> None:
        """Put an utterance into a free lane, whose past becomes silence."""
        lane = self.jobs.index(None)
        self.jobs[lane] = job
        n_channels = self.matrices.config.channels
        for layer, ring in zip(self.matrices.layers, self.rings, strict=True):
            ring[:, lane, :n_channels] = layer.rest
        self.samples[lane] = 0

    def close_ranks(self, n_lanes: int) -> "Lanes":
        """Move the running utterances into so many lanes, at least as many as run."""
        fewer = Lanes(self.matrices, n_lanes)
        kept = [lane for lane, job in enumerate(self.jobs) if job is not None]
        fewer.jobs[: len(kept)] = [self.jobs[lane] for lane in kept]
        for ring, mine in zip(fewer.rings, self.rings, strict=True):
            # The new clock starts at zero: the row it overwrites first is the one due now.
            ring[:, : len(kept)] = mine.roll(-(self.clock % len(mine)), 0)[:, kept]
        n_past = self.matrices.config.front_kernel
        fewer.samples[: len(kept), :n_past] = self.samples[kept, :n_past]
        return fewer

    def run_chunk(self) -> None:
        """Make the next samples of every lane."""
        noise = self._prepare()
        matrices, config = self.matrices, self.matrices.config
        for step in range(self.chunk):
            for layer in self._due[step]:
                self._past_taps(layer, step, config.dilations[layer])
            self._step(step)
            mean, log_sigma = matrices.distribution(self._skips).T
            sample = torch.addcmul(mean, log_sigma.exp(), noise[step]).clamp_(-1, 1)
            self.samples[:, config.front_kernel + step] = sample
        self._finish()

    def _prepare(self) -> Tensor:
        """Conditioning and long past taps of the whole chunk; gives its noise, (steps, lanes)."""
        matrices, chunk = self.matrices, self.chunk
        n_mels = matrices.layers[0].condition.shape[0]
        conditioning = self.samples.new_zeros(chunk, self.n_lanes, n_mels)
        noise = self.samples.new_zeros(chunk, self.n_lanes)
        for lane, job in enumerate(self.jobs):
            if job is None:
                continue
            spread = job.conditioning(chunk)
            conditioning[: spread.shape[1], lane] = spread.T
            drawn = job.noise[job.n_done : job.n_done + chunk]
            noise[: len(drawn), lane] = drawn
        rows = conditioning.view(chunk * self.n_lanes, n_mels)
        for layer, sums in zip(matrices.layers, self._sums, strict=True):
            torch.addmm(layer.bias, rows, layer.condition, out=sums.view(len(rows), -1))
        for index, dilation in enumerate(matrices.config.dilations):
            if dilation >= chunk:
                self._past_taps(index, 0, chunk)
        return noise

    def _past_taps(self, layer: int, step: int, n_steps: int) -> None:
        """Add the past tap's product to the sums of the next steps of a layer."""
        weights, ring = self.matrices.layers[layer], self.rings[layer]
        start = (self.clock + step) % len(ring)
        past = ring[start : start + n_steps].view(n_steps * self.n_lanes, -1)
        sums = self._sums[layer][step : step + n_steps].view(n_steps * self.n_lanes, -1)
        sums.addmm_(past[:, : self.matrices.config.channels], weights.taps[0])

    def _step(self, step: int) -> None:
        """One sample of every lane through all layers."""
        clock, x_of, row_of = self.clock + step, self._x, self._rows
        windows = self.samples[:, step : step + self.matrices.config.front_kernel]
        x_of[0][clock % len(x_of[0])].copy_(self.matrices.first(windows))
        for i, (present, output) in enumerate(self._weights):
            here = clock % len(row_of[i])
            after = row_of[i + 1][clock % len(row_of[i + 1])]
            total = self._totals[i][step]
            total.addmm_(x_of[i][here], present)
            torch.addmm(row_of[i][here], gate(total), output, out=after)

    def _finish(self) -> None:
        """Hand the samples over, free finished lanes, move the window of the front."""
        n_past = self.matrices.config.front_kernel
        for lane, job in enumerate(self.jobs):
            if job is None:
                continue
            job.take(self.samples[lane, n_past:])
            if job.is_done:
                self.jobs[lane] = None
        self.samples[:, :n_past] = self.samples[:, self.chunk :].clone()
        self.clock += self.chunk

    def _make_views(self) -> None:
        """Cut all rows out once: slicing 40 tensors at every step would cost as much as they do."""
        matrices, chunk, n_lanes = self.matrices, self.chunk, self.n_lanes
        config = matrices.config
        n_channels, n_gates = config.channels, config.gate_channels
        like = matrices.front
        self.rings[0][:, :, n_channels:] = matrices.skip_start
        # Behind the last layer is a ring of one row, which the head reads.
        behind = like.new_empty(1, n_lanes, 2 * n_channels)
        self._skips = behind[0, :, n_channels:]
        self._rows = [list(ring) for ring in [*self.rings, behind]]
        self._x = [list(ring[:, :, :n_channels]) for ring in self.rings]
        self._sums = [like.new_empty(chunk, n_lanes, 2 * n_gates) for _ in config.dilations]
        self._totals = [list(sums) for sums in self._sums]
        self._weights = [(layer.taps[1], layer.output) for layer in matrices.layers]
        short = [(i, d) for i, d in enumerate(config.dilations) if d < chunk]
        self._due = [[i for i, d in short if step % d == 0] for step in range(chunk)]


def _chunk_steps(n_lanes: int) -> int:
    """Steps of a chunk: a power of two from 16 to 128."""
    steps = 16
    while steps < 128 and 2 * steps * n_lanes <= _CHUNK_ROWS:
        steps *= 2
    return steps
