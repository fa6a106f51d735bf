"""The denoiser takes the network's hum away and leaves the voice."""

from collections.abc import Sequence

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from evalsuite.types import Waveform  # noqa: E402
from vocoders.waveglow_denoiser import bias_spectrum, subtract_spectrum  # noqa: E402
from vocoders.waveglow_network import WaveGlowConfig  # noqa: E402

TIME_S = torch.arange(22528) / 22050
#: Far above the voice; even around its start, so that the mirrored first frame is the same tone.
HUM = 0.05 * torch.cos(2 * torch.pi * 5168 * TIME_S)


class Humming(nn.Module):
    """A flow that says the same tone to every mel, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.config = WaveGlowConfig()
        self.register_buffer("inverse_0", torch.eye(8))
        self.asked: list[tuple[Tensor, Sequence[Tensor]]] = []

    def forward(self, mel: Tensor, noise: Sequence[Tensor]) -> Tensor:
        self.asked.append((mel, noise))
        return HUM


def level_db(audio: Tensor, low_hz: float, high_hz: float) -> float:
    spectrum = np.fft.rfft(audio.double().numpy()[2048:-2048] * np.hanning(len(audio) - 4096))
    frequency_hz = np.fft.rfftfreq(len(audio) - 4096, 1 / 22050)
    band = (low_hz < frequency_hz) & (frequency_hz < high_hz)
    return float(10 * np.log10((np.abs(spectrum[band]) ** 2).sum()))


def test_the_hum_goes_and_the_voice_stays(speech: Waveform) -> None:
    voice = torch.from_numpy(speech.samples[: len(HUM)])
    bias = bias_spectrum(Humming())
    cleaned = subtract_spectrum(voice + HUM, bias, 1.0)
    assert len(cleaned) == len(voice)
    hum_before = level_db(voice + HUM, 5100, 5236)
    assert level_db(cleaned, 5100, 5236) < hum_before - 20
    assert level_db(cleaned, 80, 3000) == pytest.approx(level_db(voice, 80, 3000), abs=0.2)


def test_more_strength_takes_more() -> None:
    bias = bias_spectrum(Humming())
    inside = slice(2048, -2048)
    left = [subtract_spectrum(HUM, bias, s)[inside].abs().max().item() for s in (0.0, 0.1, 0.5)]
    np.testing.assert_allclose(left, [0.05, 0.045, 0.025], rtol=0.02)


def test_strength_zero_changes_nothing(speech: Waveform) -> None:
    voice = torch.from_numpy(speech.samples[:9984])
    same = subtract_spectrum(voice, bias_spectrum(Humming()), 0.0)
    torch.testing.assert_close(same, voice, atol=1e-6, rtol=0)


def test_the_bias_is_the_first_frame_of_the_answer_to_a_mel_of_zeros() -> None:
    humming = Humming()
    bias = bias_spectrum(humming)
    mel, noise = humming.asked[0]
    assert mel.shape == (80, 88)
    assert not mel.any()
    assert [tuple(part.shape) for part in noise] == [(4, 2816), (2, 2816), (2, 2816)]
    assert not any(part.any() for part in noise)
    # Frame 0 by hand: the 512 samples on the left are mirrored ones.
    frame = np.concatenate([HUM.numpy()[512:0:-1], HUM.numpy()[:512]])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    expected = np.abs(np.fft.rfft(frame * window))
    assert bias.shape == (513, 1)
    np.testing.assert_allclose(bias[:, 0], expected, atol=1e-4)
