"""Exported networks: the same audio as torch's, refused where that cannot be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

from evalsuite.conformance import check_vocoder
from evalsuite.errors import AudioError, CheckpointError, ConfigError, Unavailable
from evalsuite.mel import mel_spec
from evalsuite.registry import Setup
from evalsuite.types import Waveform
from vocoders.melgan import MelGAN
from vocoders.melgan_generator import Generator, GeneratorConfig, randomise
from vocoders.onnx_export import ExportReport, export_onnx
from vocoders.onnx_vocoder import OnnxVocoder


def small(engine: str = "eager") -> MelGAN:
    """A generator of the paper's shape, an eighth as wide."""
    generator = Generator(GeneratorConfig(base_channels=4, n_residual_layers=1))
    randomise(generator, 0)
    return MelGAN(generator, mel_spec("melgan"), engine=engine)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    return export_onnx(small(), tmp_path_factory.mktemp("onnx") / "melgan.onnx")


@pytest.mark.parametrize("n_frames", [8, 64, 77])
def test_any_number_of_frames_gives_what_torch_gives(exported: ExportReport, n_frames: int) -> None:
    from vocoders.onnx_vocoder import open_session, run_session

    mel = np.random.default_rng(n_frames).normal(-5, 2, (80, n_frames)).astype(np.float32)
    with torch.inference_mode():
        wanted = small().synthesise(torch.from_numpy(mel), 0).numpy()
    found = run_session(open_session(exported.path), mel)
    assert found.shape == (256 * n_frames,)
    assert np.abs(wanted).max() > 0.01
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_file_says_what_it_is_and_keeps_the_contract(exported: ExportReport) -> None:
    vocoder, original = OnnxVocoder(exported.path), small().info
    assert [result for result in check_vocoder(vocoder) if not result.passed] == []
    assert vocoder.info.trained is False
    assert vocoder.info.n_parameters == original.n_parameters
    assert vocoder.info.spec == mel_spec("melgan")
    assert vocoder.info.config["dtype"] == "float32"
    assert exported.max_abs < 1e-5


def test_a_mel_too_short_for_the_network_is_refused(exported: ExportReport) -> None:
    vocoder = OnnxVocoder(exported.path)
    silence = np.full(4 * 256, 0.1, np.float32)
    features = vocoder.analyse(Waveform(silence, 22050, "u1"))
    assert vocoder.generate([features], seed=0)[0].samples.shape == silence.shape
    with pytest.raises(AudioError, match=r"mel of u1 has 3 frames.*at least 4"):
        vocoder.analyse(Waveform(silence[:-256], 22050, "u1"))
    with pytest.raises(AudioError, match="at least 4 frames"):
        vocoder.generate([replace(features, values=features.values[:, 1:])], seed=0)


def test_int8_is_close_but_not_equal(tmp_path: Path, speech: Waveform) -> None:
    vocoder = small()
    features = vocoder.analyse(speech)
    path = tmp_path / "int8.onnx"
    report = export_onnx(vocoder, path, precision="int8", mels=[features.values])
    assert report.snr_db is not None
    assert 5 < report.snr_db < 60
    found = OnnxVocoder(path)
    assert found.info.config["dtype"] == "int8"
    assert found.generate([features], seed=0)[0].samples.shape == (256 * features.values.shape[1],)
    with pytest.raises(ConfigError, match="int8 without recordings"):
        export_onnx(vocoder, path, precision="int8")


def test_other_engines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be exported"):
        export_onnx(small("official"), tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="there is no file"):
        OnnxVocoder(tmp_path / "none.onnx")
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(CheckpointError, match="no ONNX file"):
        OnnxVocoder(tmp_path / "empty.onnx")
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(CheckpointError, match="no ONNX file"):
        OnnxVocoder(tmp_path / "text.onnx")
    with pytest.raises(Unavailable, match="onnx without a file"):
        OnnxVocoder.create(Setup())
