"""Losses that compare audio without a discriminator, each with its weight."""

from torch import Tensor, nn

from vocoders.training.losses import MultiResolutionStft
from vocoders.training.mel import MelTransform
from vocoders.training.melgan_config import LossConfig

__all__ = ["AudioLosses"]


class AudioLosses:
    """The terms of `LossConfig` that have a weight: waveform L1, log-mel L1, STFT, DC offset.

    Parameters
    ----------
    weights : a term of weight 0 is not computed.
    mel : convention of the log-mels, on the device of the audio.
    """

    def __init__(self, weights: LossConfig, mel: MelTransform) -> None:
        self._weights, self._mel = weights, mel
        self._stft = MultiResolutionStft().to(mel.window.device)

    def __call__(
        self, fake: Tensor, real: Tensor, real_mel: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Weighted losses by name, float32.

        Parameters
        ----------
        fake, real : audio of shape (batch, 1, samples).
        real_mel : log-mel of `real` if there is one already.
        """
        weights, fake = self._weights, fake.float()
        parts: dict[str, Tensor] = {}
        if weights.audio_l1:
            l1 = nn.functional.l1_loss(fake, real)
            parts["generator/audio_l1"] = weights.audio_l1 * l1
        if weights.log_mel_l1:
            wanted = self._mel(real) if real_mel is None else real_mel
            l1 = nn.functional.l1_loss(self._mel(fake), wanted)
            parts["generator/log_mel_l1"] = weights.log_mel_l1 * l1
        if weights.stft:
            parts["generator/stft"] = weights.stft * self._stft(fake, real)
        if weights.dc_offset:
            apart = nn.functional.l1_loss(fake.mean(dim=-1), real.mean(dim=-1))
            parts["generator/dc_offset"] = weights.dc_offset * apart
        return parts
