"""What the tests of training share: a small corpus of synthetic speech and a tiny network."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from vocoders.training.config import load_config
from vocoders.training.data import Recordings
from vocoders.training.limits import Limits
from vocoders.training.tones import write_tone_corpus, write_tones
from vocoders.training.trainer import TrainingResult, train

#: Smaller than melgan_tiny, and every step is logged.
TINY = (
    "generator.base_channels=2",
    "generator.n_residual_layers=1",
    "discriminator.max_channels=16",
    "data.segment_samples=2048",
    "data.batch_size=2",
    "run.log_interval=1",
    "run.samples=false",
)
Train = Callable[..., TrainingResult]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors on busy cores: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def voice() -> Callable[..., None]:
    """`write_tones`, for tests that need a corpus of their own."""
    return write_tones


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips of 1.0 to 1.5 s; nobody may change them."""
    return write_tone_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decoded recordings, shared by the tests."""
    return tmp_path_factory.mktemp("audio")


@pytest.fixture
def train_tiny(corpus: Path, cache: Path) -> Train:
    """Train the tiny network: ``train_tiny(out, *overrides, n_steps=, ...)``."""

    def run(
        out: Path, *overrides: str, n_steps: int = 4, data: Path = corpus, **more: Any
    ) -> TrainingResult:
        config, kind = load_config("melgan_tiny", [*TINY, *overrides])
        recordings = Recordings(data, synthetic_speech=True)
        limits = more.pop("limits", None) or Limits(n_steps)
        more = {"cache": cache} | more
        return train(config, kind, recordings, out, limits=limits, **more)

    return run


@pytest.fixture
def train_elsewhere(corpus: Path, cache: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same in a process of its own, or in several: see ``train_in_process.py``."""

    def run(
        out: Path, *overrides: str, n_steps: int, kill_at: int = 0, n_processes: int = 1
    ) -> subprocess.CompletedProcess[str]:
        task = {
            "overrides": [*TINY, *overrides],
            "corpus": str(corpus),
            "cache": str(cache),
            "out": str(out),
            "n_steps": n_steps,
            "kill_at": kill_at,
        }
        launcher = ["-m", "torch.distributed.run", "--standalone",
                    f"--nproc_per_node={n_processes}"]  # fmt: skip
        script = str(Path(__file__).with_name("train_in_process.py"))
        command = [sys.executable, *(launcher if n_processes > 1 else []), script, json.dumps(task)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    return run


def read_losses(out: Path) -> dict[tuple[int, str], float]:
    """Losses of the log by step and name."""
    rows = [line.split(",") for line in (out / "log.csv").read_text().splitlines()[1:]]
    return {(int(step), name): float(value) for step, part, name, value in rows if part == "train"}


@pytest.fixture(scope="session")
def losses() -> Callable[[Path], dict[tuple[int, str], float]]:
    """`read_losses`."""
    return read_losses
