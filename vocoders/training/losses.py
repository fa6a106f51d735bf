"""Losses of MelGAN, as plain functions of what the discriminator returned.

*Sources* Kumar et al. 2019, arXiv 1910.06711, equations (1) to (4), and the released training
script (descriptinc/melgan-neurips 6488045, scripts/train.py), which departs from them. Each
departure is named where it stands.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from vocoders.discriminator import Judgement

__all__ = [
    "FeatureMatchingScale",
    "MultiResolutionStft",
    "discriminator_loss",
    "feature_matching_factor",
    "feature_matching_loss",
    "generator_loss",
]

FeatureMatchingScale = Literal["release", "paper"]


def discriminator_loss(fake: Sequence[Judgement], real: Sequence[Judgement]) -> Tensor:
    """Hinge loss, summed over scales: ``mean relu(1 + D(G(s))) + mean relu(1 - D(x))``.

    The paper's equation (1) prints ``min(0, .)``, which is a slip of sign: its minimum would be
    unbounded. This is the hinge of the release (and of Lim and Ye 2017, which the paper cites).
    """
    losses = [
        torch.relu(1 + f.logits.float()).mean() + torch.relu(1 - r.logits.float()).mean()
        for f, r in zip(fake, real, strict=True)
    ]
    return torch.stack(losses).sum()


def generator_loss(fake: Sequence[Judgement]) -> Tensor:
    """Equation (2): ``-mean D(G(s))``, summed over scales."""
    return torch.stack([-judgement.logits.float().mean() for judgement in fake]).sum()


def feature_matching_loss(fake: Sequence[Judgement], real: Sequence[Judgement]) -> Tensor:
    """Equation (3): mean absolute difference of each feature map, summed over maps and scales.

    The mean over batch, channels and time is what the paper's ``1 / N_i`` means. The factor in
    front is `feature_matching_factor`. No gradient flows to the real side.
    """
    losses: list[Tensor] = [
        nn.functional.l1_loss(fake_map.float(), real_map.detach().float())
        for f, r in zip(fake, real, strict=True)
        for fake_map, real_map in zip(f.features, r.features, strict=True)
    ]
    return torch.stack(losses).sum()


def feature_matching_factor(
    lambda_: float, scale: FeatureMatchingScale, *, n_layers: int, n_scales: int
) -> float:
    """What the sum of `feature_matching_loss` is multiplied with.

    Parameters
    ----------
    lambda_ : equation (4), 10 in paper and release.
    scale : ``paper`` takes lambda as it is. ``release`` takes lambda * 4 / (n_layers + 1)
        / n_scales, which is 8/3 instead of 10: the script inherits the factor from pix2pixHD.
    n_layers, n_scales : of the discriminator.

    >>> round(feature_matching_factor(10, "release", n_layers=4, n_scales=3), 3)
    2.667
    """
    return lambda_ if scale == "paper" else lambda_ * 4 / (n_layers + 1) / n_scales


class MultiResolutionStft(nn.Module):
    """Spectral convergence plus L1 of log magnitudes, averaged over three resolutions.

    Yamamoto, Song and Kim 2020 (Parallel WaveGAN, arXiv 1910.11480), equations (4) to (7), with
    the settings of their table 1. Natural logarithm; magnitudes are not below 1e-5.
    """

    #: (n_fft, hop, window) in samples.
    resolutions = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))

    def __init__(self) -> None:
        super().__init__()
        for number, (_, _, window) in enumerate(self.resolutions):
            self.register_buffer(f"window_{number}", torch.hann_window(window), persistent=False)

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """Compare two signals of shape (batch, 1, samples); at least 1025 samples."""
        with torch.autocast(fake.device.type, enabled=False):
            losses = [
                self._compare(fake.float(), real.float(), number)
                for number in range(len(self.resolutions))
            ]
            return torch.stack(losses).mean()

    def _compare(self, fake: Tensor, real: Tensor, number: int) -> Tensor:
        ours, theirs = self._magnitudes(fake, number), self._magnitudes(real, number)
        distance = torch.linalg.vector_norm(theirs - ours, dim=(-2, -1))
        convergence: Tensor = (distance / torch.linalg.vector_norm(theirs, dim=(-2, -1))).mean()
        return convergence + nn.functional.l1_loss(ours.log(), theirs.log())

    def _magnitudes(self, audio: Tensor, number: int) -> Tensor:
        n_fft, hop, window = self.resolutions[number]
        spectra = torch.stft(
            audio.squeeze(1),
            n_fft,
            hop_length=hop,
            win_length=window,
            window=getattr(self, f"window_{number}"),
            return_complex=True,
        )
        # Clamped under the root, whose derivative at 0 is infinite.
        magnitudes: Tensor = (spectra.real**2 + spectra.imag**2).clamp(min=1e-10).sqrt()
        return magnitudes
