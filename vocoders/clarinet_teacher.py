"""Engines of the ClariNet teacher, which makes one sample after the other.

`EagerTeacher` recomputes the whole receptive field for every sample, as the open implementation
does. `RingTeacher` computes every number once, for many utterances side by side:

- The input of a layer of dilation d goes round a ring of d rows: row t mod d still holds sample
  t - d when sample t arrives, so the ring is the past tap.
- The past tap's product is taken for many steps at once, before their rows are overwritten; that
  leaves half of the dilated weights to be read at every step. The conditioning goes with it.
- Utterances run in lanes of one batch. A finished lane takes the next utterance, and when there
  is none left, the lanes that still run close ranks.

Lanes are at least two: a matrix product of two or more rows gives each row the same bits however
many there are, while a single row takes another path through the library. So a batch gives the
bytes that one by one gives.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from vocoders.clarinet_lanes import Job, Lanes
from vocoders.clarinet_matrices import GaussianMatrices
from vocoders.clarinet_network import Teacher, upsample

__all__ = ["EagerTeacher", "RingTeacher"]

_FEWEST_LANES = 2


class EagerTeacher(nn.Module):
    """The whole receptive field anew for every sample, one utterance at a time: the baseline.

    Parameters
    ----------
    network : without weight norm.
    """

    def __init__(self, network: Teacher) -> None:
        super().__init__()
        self.network = network

    def forward(self, mels: Sequence[Tensor], noises: Sequence[Tensor]) -> list[Tensor]:
        """(n_mels, frames) and (samples,) each to audio of shape (samples,)."""
        return [self._one(mel, noise) for mel, noise in zip(mels, noises, strict=True)]

    def _one(self, mel: Tensor, noise: Tensor) -> Tensor:
        conditioning = upsample(self.network.upsample_conv, mel[None])
        field = self.network.config.receptive_field
        # The input of step t is sample t - 1; before the first sample is a zero.
        audio = noise.new_zeros(len(noise) + 1)
        for t in range(len(noise)):
            seen = slice(max(0, t + 1 - field), t + 1)
            output = self.network.distribution(audio[None, None, seen], conditioning[:, :, seen])
            mean, log_sigma = output[0, :, -1]
            audio[t + 1] = (mean + log_sigma.exp() * noise[t]).clamp(-1, 1)
        return audio[1:]


class RingTeacher(nn.Module):
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
        self.most_lanes = most_lanes

    def forward(self, mels: Sequence[Tensor], noises: Sequence[Tensor]) -> list[Tensor]:
        """(n_mels, frames) and (samples,) each to audio of shape (samples,)."""
        if not mels:
            return []
        jobs = [
            Job(mel, noise, self.hop_length, self.upsample_conv)
            for mel, noise in zip(mels, noises, strict=True)
        ]
        # The longest first: the last lanes to finish are then short ones.
        waiting = sorted(jobs, key=lambda job: len(job.noise))
        lanes = Lanes(self.matrices, max(_FEWEST_LANES, min(self.most_lanes, len(jobs))))
        while True:
            while waiting and lanes.has_room():
                lanes.start(waiting.pop())
            if lanes.n_running == 0:
                return [job.audio for job in jobs]
            if lanes.n_running <= lanes.n_lanes // 2 and lanes.n_lanes > _FEWEST_LANES:
                lanes = lanes.close_ranks(max(_FEWEST_LANES, lanes.n_running))
            lanes.run_chunk()
