"""WaveGlow's denoiser: takes away the hum that the network makes of nothing.

NVIDIA/waveglow 8afb643, denoiser.py: the magnitude spectrum of what the network says to an
all-zero mel without noise is subtracted from every frame of its output; phases stay.
"""

import torch
from torch import Tensor

from vocoders.waveglow_synthesis import FlowInversion, draw_noise

__all__ = ["bias_spectrum", "subtract_spectrum"]

_N_FFT, _HOP = 1024, 256
_BIAS_FRAMES = 88


def bias_spectrum(inversion: FlowInversion) -> Tensor:
    """Magnitudes of the hum, shape (513, 1).

    The mel is zeros, which is magnitude 1 in every band and not silence; only the first frame of
    the answer is looked at.
    """
    config, like = inversion.config, inversion.get_buffer("inverse_0")
    mel = like.new_zeros(config.n_mels, _BIAS_FRAMES)
    n_groups = _BIAS_FRAMES * config.hop_length // config.n_group
    noise = [part.to(like) * 0 for part in draw_noise(config, n_groups, seed=0)]
    return _spectrum(inversion(mel, noise).float())[:, :1].abs()


def subtract_spectrum(audio: Tensor, bias: Tensor, strength: float) -> Tensor:
    """Subtract `strength` times a spectrum from every frame, down to zero.

    Parameters
    ----------
    audio : float32, shape (samples,), more than 512 of them.
    bias : magnitudes, shape (513, 1).

    Returns
    -------
    shape (samples,).
    """
    spectrum = _spectrum(audio)
    magnitude = (spectrum.abs() - strength * bias).clamp(min=0)
    cleaned = torch.polar(magnitude, spectrum.angle())
    window = torch.hann_window(_N_FFT, device=audio.device)
    return torch.istft(cleaned, _N_FFT, _HOP, window=window, length=len(audio))


def _spectrum(audio: Tensor) -> Tensor:
    window = torch.hann_window(_N_FFT, device=audio.device)
    return torch.stft(
        audio, _N_FFT, _HOP, window=window, pad_mode="reflect", return_complex=True
    )  # fmt: skip
