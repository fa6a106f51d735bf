"""Log-mels on the training device, differentiable, equal to `evalsuite.mel` within 1e-4."""

import math

import torch
from torch import Tensor, nn

from evalsuite.errors import ConfigError
from evalsuite.mel import MelSpec, mel_filter_bank

__all__ = ["MelTransform"]

# Under the square root: the derivative of sqrt at 0 is infinite, and digital silence is common.
# Its root lies ten decades under full scale, below every convention's floor.
_SMALLEST_ENERGY = 1e-20


class MelTransform(nn.Module):
    """Audio of shape (batch, 1, samples) to log-mel of shape (batch, n_mels, frames).

    Parameters
    ----------
    spec : the convention. Its ``input_peak`` is not applied: recordings are scaled as a whole
        before crops are cut from them.

    Raises
    ------
    ConfigError for a convention that is not needed in training: ``lws`` framing, other windows.
    """

    window: Tensor
    bank: Tensor

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        if spec.framing == "lws" or spec.window != "hann":
            raise ConfigError(
                f"mel convention {spec.name!r} has {spec.framing} framing, {spec.window} window",
                wanted="a Hann window and centred or hop_aligned framing",
                do="train on melgan, tacotron2 or hifigan mels",
            )
        self.spec = spec
        window = torch.hann_window(spec.win_length, periodic=True, dtype=torch.float64)
        self.register_buffer("window", window.float(), persistent=False)
        bank = torch.from_numpy(mel_filter_bank(spec).copy())
        self.register_buffer("bank", bank, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Compute in float32, also inside autocast."""
        with torch.autocast(audio.device.type, enabled=False):
            return self._compress(self._energies(audio.float()))

    def _energies(self, audio: Tensor) -> Tensor:
        spec = self.spec
        overlap = spec.n_fft - (spec.hop_length if spec.framing == "hop_aligned" else 0)
        padded = nn.functional.pad(audio, (overlap // 2, overlap // 2), mode="reflect")
        spectra = torch.stft(
            padded.squeeze(1),
            spec.n_fft,
            hop_length=spec.hop_length,
            win_length=spec.win_length,
            window=self.window,
            center=False,
            return_complex=True,
        )
        energies = spectra.real**2 + spectra.imag**2 + spec.magnitude_epsilon
        energies = energies.clamp(min=_SMALLEST_ENERGY)
        return energies if spec.power == 2 else energies.sqrt()

    def _compress(self, magnitudes: Tensor) -> Tensor:
        spec = self.spec
        logarithm = (self.bank @ magnitudes).clamp(min=spec.floor).log()
        if spec.log_base == "10":
            logarithm = logarithm / math.log(10)
        values = spec.log_scale * logarithm + spec.log_offset
        values = spec.affine_scale * values + spec.affine_offset
        return values if spec.clip is None else values.clamp(*spec.clip)
