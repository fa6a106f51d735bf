"""What CONTRIBUTING.md says about the repository is so."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
AUDIO = {".wav", ".flac", ".ogg", ".mp3", ".opus"}
WEIGHTS = {".safetensors", ".pt", ".pth", ".ckpt", ".onnx", ".npz", ".npy", ".part"}


@pytest.fixture(scope="module")
def committed() -> list[Path]:
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [Path(name) for name in done.stdout.split("\0") if name]


def test_no_recording_is_committed(committed: list[Path]) -> None:
    assert [path for path in committed if path.suffix.lower() in AUDIO] == []


def test_committed_weights_are_those_it_names(committed: list[Path]) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    folders = {path.parent.as_posix() for path in committed if path.suffix.lower() in WEIGHTS}
    assert folders == {"vocoders/weights/melgan", "vocoders/weights/state"}
    for folder in folders:
        size_mb = (
            sum(
                (ROOT / path).stat().st_size
                for path in committed
                if path.parent.as_posix() == folder
            )
            / 1e6
        )
        [said] = [part for part in text.split("(`")[1:] if part.startswith(f"{folder}`")]
        assert float(said.split(",")[1].split("MB")[0]) == pytest.approx(size_mb, rel=0.05)
