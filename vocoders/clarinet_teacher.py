"""Engines of the ClariNet teacher, which makes one sample after the other.

`EagerTeacher` recomputes the whole receptive field for every sample, as the open implementation
does. `RingTeacher` computes every number once, for many utterances side by side:

- The input of a layer of dilation d goes round a ring of d rows: row t mod d still holds sample
  t - d when sample t arrives, so the ring is the past tap.
- The past tap's product is taken for many steps at once, before their rows are overwritten; that
  leaves half of the dilated weights to be read at every step. The conditioning goes with it.
- Utterances run in lanes of one batch. A finished lane takes the next utterance, and when there
  is none left, the lanes that still run close ranks.

Lanes are at least two: on CPUs a matrix product of two or more rows gives each row the same bits
however many there are, while a single row takes another path through the library. Where that does
not hold, as on GPUs, the number of lanes stays fixed (`vocoders.wavenet_engine.LaneRange`). So a
batch gives the bytes that one by one gives.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor, nn

from vocoders.clarinet_lanes import Job, Lanes
from vocoders.clarinet_matrices import GaussianMatrices
from vocoders.clarinet_network import Teacher, upsample
from vocoders.wavenet_engine import LaneRange, lane_range
from vocoders.wavenet_lanes import SamplesMade

__all__ = ["EagerTeacher", "RingTeacher", "SteppedTeacher"]

_FEWEST_LANES = 2


class SteppedTeacher(nn.Module):
    """A way to run the teacher, one sample after the other.

    Attributes
    ----------
    lanes : how many utterances side by side there may be without changing anybody's samples.
    """

    lanes: LaneRange

    def forward(self, mels: Sequence[Tensor], noises: Sequence[Tensor]) -> list[Tensor]:
        """(n_mels, frames) and (samples,) each to audio of shape (samples,)."""
        made = dict(self.as_finished(mels, noises.__getitem__))
        return [made[number] for number in range(len(mels))]

    @abstractmethod
    def as_finished(
        self,
        mels: Sequence[Tensor],
        noise_of: Callable[[int], Tensor],
        progress: SamplesMade | None = None,
    ) -> Iterator[tuple[int, Tensor]]:
        """Give number and audio of each utterance as soon as it is complete.

        Parameters
        ----------
        mels : each of shape (n_mels, frames).
        noise_of : number of an utterance -> its noise, shape (samples,); called when its turn
            comes, because the noise of all would take as much memory as their audio.
        progress : called every few samples with the number made so far.
        """


class EagerTeacher(SteppedTeacher):
    """The whole receptive field anew for every sample, one utterance at a time: the baseline.

    Parameters
    ----------
    network : without weight norm.
    """

    def __init__(self, network: Teacher) -> None:
        super().__init__()
        self.network, self.lanes = network, LaneRange(1, 1)

    def as_finished(
        self,
        mels: Sequence[Tensor],
        noise_of: Callable[[int], Tensor],
        progress: SamplesMade | None = None,
    ) -> Iterator[tuple[int, Tensor]]:
        """One utterance after the other."""
        n_finished = 0
        for number, mel in enumerate(mels):
            audio = self._one(mel, noise_of(number), n_finished, progress)
            n_finished += len(audio)
            yield number, audio

    def _one(
        self, mel: Tensor, noise: Tensor, n_finished: int, progress: SamplesMade | None
    ) -> Tensor:
        conditioning = upsample(self.network.upsample_conv, mel[None])
        field = self.network.config.receptive_field
        # The input of step t is sample t - 1; before the first sample is a zero.
        audio = noise.new_zeros(len(noise) + 1)
        for t in range(len(noise)):
            seen = slice(max(0, t + 1 - field), t + 1)
            output = self.network.distribution(audio[None, None, seen], conditioning[:, :, seen])
            mean, log_sigma = output[0, :, -1]
            audio[t + 1] = (mean + log_sigma.exp() * noise[t]).clamp(-1, 1)
            if progress is not None:
                progress(n_finished + t + 1)
        return audio[1:]


class RingTeacher(SteppedTeacher):
    """Every number once, many utterances side by side; see the module text.

    Parameters
    ----------
    network : without weight norm; its upsampler is kept, the rest is not.
    most_lanes : utterances side by side.
    """

    def __init__(self, network: Teacher, *, most_lanes: int = 64) -> None:
        super().__init__()
        self.upsample_conv = network.upsample_conv
        self.hop_length = network.clarinet_config.hop_length
        self.matrices = GaussianMatrices(network)
        most = max(_FEWEST_LANES, most_lanes)
        self.lanes = lane_range(_products(self.matrices), most)

    def as_finished(
        self,
        mels: Sequence[Tensor],
        noise_of: Callable[[int], Tensor],
        progress: SamplesMade | None = None,
    ) -> Iterator[tuple[int, Tensor]]:
        """Utterances in lanes; a finished lane takes the next."""
        # The longest first: the last lanes to finish are then short ones.
        waiting = sorted(range(len(mels)), key=lambda number: mels[number].shape[1])
        running: dict[int, Job] = {}
        lanes, n_finished = Lanes(self.matrices, self.lanes.fit(len(mels))), 0
        while waiting or running:
            while waiting and lanes.has_room():
                number = waiting.pop()
                noise = noise_of(number)
                running[number] = Job(mels[number], noise, self.hop_length, self.upsample_conv)
                lanes.start(running[number])
            if self.lanes.fit(2 * lanes.n_running) < lanes.n_lanes:
                lanes = lanes.close_ranks(self.lanes.fit(lanes.n_running))
            lanes.run_chunk()
            if progress is not None:
                progress(n_finished + sum(job.n_done for job in running.values()))
            for number in [number for number, job in running.items() if job.is_done]:
                audio = running.pop(number).audio
                n_finished += len(audio)
                yield number, audio


def _products(matrices: GaussianMatrices) -> list[Tensor]:
    """Everything that rows of lanes are multiplied with."""
    of_layers = [
        matrix
        for layer in matrices.layers
        for matrix in (*layer.taps, layer.condition, layer.output)
    ]
    head = [matrices.get_buffer(name) for name in ("hidden", "last")]
    return [matrix.float() for matrix in (matrices.front, *head, *of_layers)]
