"""The plug-in of docs/vocoders.md, word for word, around a stand-in for the package it needs."""

import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from evalsuite.conformance import check_vocoder  # noqa: E402
from evalsuite.errors import FeatureMismatch, Unavailable  # noqa: E402
from evalsuite.files import sha256_file  # noqa: E402
from evalsuite.generate import generate  # noqa: E402
from evalsuite.manifest import Settings, read_manifest  # noqa: E402
from evalsuite.mel import extract_mel, mel_spec  # noqa: E402
from evalsuite.registry import (  # noqa: E402
    availability,
    create_vocoder,
    parse_system,
    parse_systems,
    vocoder_names,
)
from evalsuite.types import Utterance, Waveform  # noqa: E402

PAGE = (Path(__file__).parents[1] / "docs" / "vocoders.md").read_text(encoding="utf-8")


def block(marker: str) -> str:
    """The code block that follows an HTML comment."""
    found = re.search(rf"<!-- {re.escape(marker)}.*? -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found, marker
    return found.group(1)


class StandIn(nn.Module):
    """Has the methods of `vocos.Vocos`, and hums as loud as the mel says, hop by hop."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(0.05))

    @classmethod
    def from_pretrained(cls, repo_id: str) -> "StandIn":
        assert repo_id == "charactr/vocos-mel-24khz"
        return cls()

    def decode(self, features_input: Tensor) -> Tensor:
        """(batch, bands, frames) to (batch, hop * (frames - 1)), as a centred inverse STFT."""
        n_bands, n_frames = features_input.shape[1:]
        assert n_bands == 100
        loudness = features_input.exp().mean(1).repeat_interleave(256, 1)[:, : 256 * (n_frames - 1)]
        time = torch.arange(loudness.shape[1])
        return self.level * loudness * torch.sin(0.05 * time)


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's package as pip would lay it down; returns the stand-in for its weights."""
    project = tomllib.loads(block("vocos: pyproject.toml"))["project"]
    weights = tmp_path / "pytorch_model.bin"
    weights.write_bytes(b"weights")
    packages = {"vocos": ModuleType("vocos"), "huggingface_hub": ModuleType("huggingface_hub")}
    vars(packages["vocos"])["Vocos"] = StandIn
    vars(packages["huggingface_hub"])["hf_hub_download"] = lambda repo, name: str(tmp_path / name)
    for name, module in packages.items():
        monkeypatch.setitem(sys.modules, name, module)
    site = tmp_path / "site"
    metadata = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        line
        for group, entries in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {target}" for name, target in entries.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    (site / "evalsuite_vocos.py").write_text(block("vocos: evalsuite_vocos.py"))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "evalsuite_vocos", raising=False)
    return weights


def test_the_plug_in_is_found_and_keeps_the_contract(plug_in: Path) -> None:
    assert "vocos" in vocoder_names()
    assert availability("vocos").available
    made = create_vocoder(parse_system("vocos"))
    assert [check for check in check_vocoder(made) if not check.passed] == []
    assert made.info.trained
    assert made.info.weights_sha256 == sha256_file(plug_in)
    assert made.info.n_parameters == 1


def test_the_page_s_own_check_finds_nothing(
    plug_in: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(block("vocos: check"), "docs/vocoders.md", "exec"), {})
    assert capsys.readouterr().out == "[]\n"


def test_its_mel_is_the_one_the_release_was_trained_on(plug_in: Path, speech: Waveform) -> None:
    made = create_vocoder(parse_system("vocos"))
    # A full-scale sine on a bin: by hand, |X| = sum(Hann window) / 2 = 256 at that bin, half of
    # it beside, through HTK triangles of unit peak.
    bin_hz = 24000 / 1024
    time_s = np.arange(24000) / 24000
    sine = np.sin(2 * np.pi * 100 * bin_hz * time_s).astype(np.float32)
    mel = made.analyse(Waveform(sine, 24000, "sine")).values[:, 40]
    edges_mel = np.linspace(0, 2595 * np.log10(1 + 12000 / 700), 102)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    magnitudes = {99: 128.0, 100: 256.0, 101: 128.0}
    expected = [
        sum(
            size
            * max(0.0, min((k * bin_hz - low) / (mid - low), (high - k * bin_hz) / (high - mid)))
            for k, size in magnitudes.items()
        )
        for low, mid, high in zip(edges_hz[:-2], edges_hz[1:-1], edges_hz[2:], strict=True)
    ]
    loud = np.array(expected) > 1
    assert loud.sum() >= 2
    np.testing.assert_allclose(mel[loud], np.log(np.array(expected)[loud]), atol=1e-3)
    assert made.analyse(Waveform(np.zeros(24000, np.float32), 24000)).values.max() == pytest.approx(
        np.log(1e-7)
    )
    with pytest.raises(FeatureMismatch, match="'melgan'"):
        made.generate([extract_mel(speech, mel_spec("melgan"))], seed=0)


def test_it_takes_part_in_a_run(plug_in: Path, tmp_path: Path, write_speech: Path) -> None:
    utterance = Utterance("u1", write_speech, "", "", 2.0, sha256_file(write_speech))
    systems = parse_systems("original,vocos")
    generate(tmp_path / "run", [utterance], systems, Settings(sample_rate=24000))
    manifest = read_manifest(tmp_path / "run")
    assert [system.label for system in manifest.systems] == ["original", "vocos"]
    assert {sample.n_samples for sample in manifest.samples} == {manifest.samples[0].n_samples}


@pytest.fixture
def write_speech(tmp_path: Path, speech: Waveform) -> Path:
    import soundfile

    path = tmp_path / "u1.wav"
    soundfile.write(path, speech.samples, speech.sample_rate)
    return path


def test_without_its_package_it_says_so(plug_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vocos", None)
    state = availability("vocos")
    assert not state.available
    assert "vocos" in state.reason
    with pytest.raises(Unavailable, match="evalsuite_vocos"):
        create_vocoder(parse_system("vocos"))
