"""ClariNet as two systems: contract, noise, settings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from evalsuite.conformance import check_vocoder  # noqa: E402
from evalsuite.errors import ConfigError, FeatureMismatch, Unavailable  # noqa: E402
from evalsuite.mel import mel_spec  # noqa: E402
from evalsuite.registry import Setup  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402
from vocoders.clarinet import ClariNet, ClariNetTeacher  # noqa: E402
from vocoders.clarinet_network import ClariNetConfig, GaussianConfig  # noqa: E402
from vocoders.clarinet_weights import random_clarinet  # noqa: E402
from vocoders.wavenet_engine import LaneRange  # noqa: E402

SMALL = ClariNetConfig(
    teacher=GaussianConfig(1, 4, channels=8, gate_channels=8),
    flow=GaussianConfig(1, 4, channels=8, gate_channels=8, kernel=3),
    n_flows=2,
)
SPEC = mel_spec("clarinet")


def student(**options: object) -> ClariNet:
    return ClariNet(random_clarinet(SMALL, seed=0), SPEC, **options)  # type: ignore[arg-type]


def teacher(**options: object) -> ClariNetTeacher:
    return ClariNetTeacher(random_clarinet(SMALL, seed=0).teacher, SPEC, **options)  # type: ignore[arg-type]


@pytest.fixture
def short(speech: Waveform) -> Waveform:
    return Waveform(speech.samples[4000:6000], 22050, "short")


@pytest.mark.parametrize("engine", ["blocked", "eager"])
def test_contract_of_the_student(engine: str) -> None:
    assert [r for r in check_vocoder(student(engine=engine)) if not r.passed] == []


def test_contract_of_the_student_without_noise(short: Waveform) -> None:
    vocoder = student(temperature=0.0)
    assert vocoder.info.deterministic
    assert [r for r in check_vocoder(vocoder, wave=short) if not r.passed] == []


def test_contract_of_the_teacher(short: Waveform) -> None:
    assert [
        r
        for r in check_vocoder(teacher(), wave=Waveform(short.samples[:1025], 22050, "s"))
        if not r.passed
    ] == []


def test_full_size_random_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: Waveform
) -> None:
    monkeypatch.setenv("EVALSUITE_WEIGHTS", str(tmp_path))
    counts = {ClariNet: (10_035_920, 10_100_960), ClariNetTeacher: (4_798_148, 4_824_008)}
    for system, (plain, with_norm) in counts.items():
        with pytest.raises(Unavailable, match="--untrained"):
            system.create(Setup())
        vocoder = system.create(Setup(untrained=True))
        info = vocoder.info
        assert (info.n_parameters, info.n_parameters_with_weight_norm) == (plain, with_norm)
        assert (info.trained, info.source, info.start_offset) == (False, "random weights", 128)
        features = vocoder.analyse(Waveform(short.samples[:513], 22050, "short"))
        audio = vocoder.generate([features], seed=0)[0].samples
        assert audio.shape == (3 * 256,)
        assert 0.03 < audio.std() < 0.5


def test_the_output_covers_the_recording_behind_the_offset(speech: Waveform) -> None:
    """Whole frames of a recording: one frame more in the mel, half a hop too much on each side."""
    wave = Waveform(speech.samples[: 20 * 256], 22050, "whole")
    vocoder = student()
    audio = vocoder.generate([vocoder.analyse(wave)], seed=0)[0].samples
    assert len(audio) - 2 * vocoder.info.start_offset == len(wave.samples)


def test_the_wave_is_scaled_to_the_peak_the_network_knows(short: Waveform) -> None:
    gain = student().analyse(short).gain
    assert gain * np.abs(short.samples).max() == pytest.approx(0.999)


def test_noise_can_be_given(short: Waveform) -> None:
    for vocoder in (student(), teacher()):
        features = vocoder.analyse(short)
        mel = torch.from_numpy(features.values)
        noise = torch.randn(mel.shape[1] * 256, generator=torch.Generator().manual_seed(9))
        with torch.inference_mode():
            if isinstance(vocoder, ClariNet):
                given = vocoder.synthesise_from(mel, noise)
            else:
                given = vocoder.synthesise_from([mel], [noise])[0]
        made = vocoder.generate([features], seed=9)[0].samples
        np.testing.assert_array_equal(made, given)


def test_temperature_scales_the_noise(short: Waveform) -> None:
    warm, cold = student(), student(temperature=0.1)
    features = warm.analyse(short)
    levels = [v.generate([features], seed=0)[0].samples.std() for v in (warm, cold)]
    assert levels[1] == pytest.approx(0.1 * levels[0], rel=0.25)


def test_engines_agree(short: Waveform) -> None:
    for system, engines in ((student, ("blocked", "eager")), (teacher, ("rings", "eager"))):
        wave = Waveform(short.samples[:513], 22050, "short")
        vocoders = [system(engine=engine) for engine in engines]
        features = vocoders[0].analyse(wave)
        made = [vocoder.generate([features], seed=0)[0].samples for vocoder in vocoders]
        np.testing.assert_allclose(*made, atol=1e-6)


def test_lanes_do_not_show(short: Waveform) -> None:
    parts = [Waveform(short.samples[:n], 22050, f"u{n}") for n in (600, 2000, 900)]
    few, many = teacher(lanes=1), teacher(lanes=8)
    batch = [few.analyse(part) for part in parts]
    made = zip(few.generate(batch, seed=0), many.generate(batch, seed=0), strict=True)
    for (one, other), part in zip(made, parts, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        assert one.id == part.id


def test_a_number_of_lanes_that_shapes_the_sound_is_part_of_its_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (teacher(lanes=8).lanes, teacher(engine="eager").lanes) == (8, 1)
    assert "lanes" not in teacher(lanes=8).info.config
    assert teacher(lanes=2).info.config["lanes"] == 2
    # As on a GPU, whose kernels follow the number of rows.
    fixed = "vocoders.clarinet_teacher.lane_range"
    monkeypatch.setattr(fixed, lambda _, most: LaneRange(most, most))
    assert teacher(lanes=8).info.config["lanes"] == 8


def test_foreign_features_stop_a_batch_before_it_starts(short: Waveform) -> None:
    own = teacher().analyse(short)
    with pytest.raises(FeatureMismatch, match=r"'clarinet_teacher'.*'melgan'"):
        teacher().generate([own, replace(own, spec=mel_spec("melgan"))], seed=0)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="temperature -1"):
        student(temperature=-1.0)
    with pytest.raises(ConfigError, match="0 lanes"):
        teacher(lanes=0)


@pytest.mark.gpu
def test_a_gpu_gives_what_the_cpu_gives(short: Waveform) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for system in (student, teacher):
        features = system().analyse(short)
        made = [system(device=d).generate([features], seed=0)[0].samples for d in ("cpu", "cuda")]
        np.testing.assert_allclose(*made, atol=1e-4)
