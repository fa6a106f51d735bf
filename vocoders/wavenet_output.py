"""What a WaveNet's last layer means: distributions of the next sample, and how they are drawn.

*Draws* Every distribution turns a fixed count of random numbers into one sample, so a whole
utterance's numbers can be drawn at once, injected by tests, and kept apart from other utterances'.
The loop feeds back *codes*: samples, or classes of the mu-law; `to_wave` makes samples of them.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from vocoders.wavenet_config import WaveNetConfig

__all__ = [
    "Gaussian",
    "LogisticMixture",
    "MuLaw",
    "Output",
    "decode_mulaw",
    "encode_mulaw",
    "output_of",
]

_MU = 255
#: Uniform draws of the published code keep this distance from 0 and 1, where logarithms end.
_MARGIN = 1e-5


class Output(ABC):
    """A family of distributions of one sample.

    Parameters
    ----------
    n_draws : random numbers per sample.
    first_code : what the network hears before the first sample.
    code_dtype : of the codes.
    """

    n_draws: int
    first_code: float = 0.0
    code_dtype: torch.dtype = torch.float32

    @abstractmethod
    def draw(self, n_samples: int, generator: torch.Generator) -> Tensor:
        """Draw the numbers of consecutive samples, shape (n_samples, n_draws), on the CPU."""

    @abstractmethod
    def prepare(self, draws: Tensor) -> Tensor:
        """Do to the draws what needs no prediction, for many samples at once; same shape."""

    @abstractmethod
    def sample(self, predicted: Tensor, prepared: Tensor) -> Tensor:
        """Pick codes.

        Parameters
        ----------
        predicted : shape (lanes, out_channels).
        prepared : shape (lanes, n_draws).

        Returns
        -------
        Shape (lanes,).
        """

    def to_wave(self, codes: Tensor) -> Tensor:
        """Turn codes into samples in [-1, 1], float32."""
        return codes

    def to_inputs(self, codes: Tensor) -> Tensor:
        """Turn codes of shape (batch, time) into network inputs (batch, in_channels, time)."""
        return codes[:, None]


class LogisticMixture(Output):
    """Mixture of logistics: out channels are logits, means and log scales of each.

    Salimans et al. 2017 (PixelCNN++), section 2.1. Of the draws, the first `n_mixtures` choose the
    component by the Gumbel maximum and the last places the sample on it, as published: the same
    generator gives the same audio.

    Parameters
    ----------
    least_log_scale : log scales are raised to it; None = as predicted (master).
    """

    def __init__(self, n_mixtures: int, least_log_scale: float | None) -> None:
        self.n_mixtures, self.least_log_scale = n_mixtures, least_log_scale
        self.n_draws = n_mixtures + 1

    def draw(self, n_samples: int, generator: torch.Generator) -> Tensor:
        """Uniform, in the order of the published loop: component draws before the sample draw."""
        draws = torch.empty(n_samples, self.n_draws)
        return draws.uniform_(_MARGIN, 1 - _MARGIN, generator=generator)

    def prepare(self, draws: Tensor) -> Tensor:
        """Make Gumbel variables of the component draws and a logistic one of the sample draw."""
        component, sample = draws[..., :-1], draws[..., -1:]
        gumbel = -torch.log(-torch.log(component))
        return torch.cat([gumbel, torch.log(sample) - torch.log(1 - sample)], dim=-1)

    def sample(self, predicted: Tensor, prepared: Tensor) -> Tensor:
        """Choose a component, then place the sample on it, within [-1, 1]."""
        n = self.n_mixtures
        chosen = (predicted[:, :n] + prepared[:, :n]).argmax(dim=1, keepdim=True)
        mean = predicted.gather(1, chosen + n)
        log_scale = predicted.gather(1, chosen + 2 * n)
        if self.least_log_scale is not None:
            log_scale.clamp_(min=self.least_log_scale)
        return mean.addcmul_(log_scale.exp_(), prepared[:, n:]).clamp_(-1, 1)[:, 0]


class Gaussian(Output):
    """One normal distribution: out channels are mean and log of the standard deviation.

    Ping et al. 2018 (ClariNet), section 3.1.
    """

    n_draws = 1

    def draw(self, n_samples: int, generator: torch.Generator) -> Tensor:
        """Standard normal."""
        return torch.randn(n_samples, 1, generator=generator)

    def prepare(self, draws: Tensor) -> Tensor:
        """Nothing."""
        return draws

    def sample(self, predicted: Tensor, prepared: Tensor) -> Tensor:
        """Place the sample, within [-1, 1]."""
        mean, log_sigma = predicted[:, 0], predicted[:, 1]
        return (mean + log_sigma.exp() * prepared[:, 0]).clamp_(-1, 1)


class MuLaw(Output):
    """256 classes of the mu-law, drawn by the inverse of their cumulated probabilities."""

    n_draws = 1
    first_code = 127.0  # zero, rounded down
    code_dtype = torch.int64

    def draw(self, n_samples: int, generator: torch.Generator) -> Tensor:
        """Uniform in [0, 1)."""
        return torch.rand(n_samples, 1, generator=generator)

    def prepare(self, draws: Tensor) -> Tensor:
        """Nothing."""
        return draws

    def sample(self, predicted: Tensor, prepared: Tensor) -> Tensor:
        """Take the first class whose cumulated probability exceeds the draw."""
        cumulated = predicted.softmax(dim=1).cumsum(dim=1)
        # Rounding can leave the last sum below 1, and a draw above it.
        return (cumulated <= prepared).sum(dim=1).clamp_(max=_MU)

    def to_wave(self, codes: Tensor) -> Tensor:
        """Expand the classes."""
        return decode_mulaw(codes)

    def to_inputs(self, codes: Tensor) -> Tensor:
        """Make one-hot vectors."""
        return one_hot(codes, _MU + 1).mT.float()


def output_of(config: WaveNetConfig) -> Output:
    """Return what the network's last layer parametrises."""
    if config.output == "logistics":
        return LogisticMixture(config.n_mixtures, config.least_log_scale)
    return Gaussian() if config.output == "gaussian" else MuLaw()


def encode_mulaw(wave: Tensor) -> Tensor:
    """Compress samples in [-1, 1] to classes 0 ... 255, rounding down as the published code does.

    Source: ITU-T G.711 with mu = 255, without its table of segments.

    >>> encode_mulaw(torch.tensor([-1.0, 0.0, 1.0])).tolist()
    [0, 127, 255]
    """
    compressed = wave.sign() * torch.log1p(_MU * wave.abs()) / math.log1p(_MU)
    # The small number makes decoding and encoding again the identity in spite of float rounding.
    return torch.floor((compressed + 1) / 2 * _MU + 1e-3).long()


def decode_mulaw(classes: Tensor) -> Tensor:
    """Expand classes 0 ... 255 to samples in [-1, 1], float32."""
    compressed = 2 * classes.float() / _MU - 1
    return compressed.sign() * torch.expm1(compressed.abs() * math.log1p(_MU)) / _MU
