"""A vocoder without a network that makes utterances side by side, and a plug-in that brings it.

It makes the same audio as ``dummy``. The file named by its argument gets a line for every call, so
that tests see what was made together, what alone, and what not at all.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from evalsuite.dummy import Dummy
from evalsuite.errors import AudioError
from evalsuite.registry import Setup
from evalsuite.types import Features, Waveform
from evalsuite.vocoder import SecondsMade

CHUNK_S = 0.1


class Choir(Dummy):
    """The options are ids, joined by ``+``, and a number."""

    def __init__(self, log: Path, bad: list[str], deaf: list[str], deadly: list[str]) -> None:
        super().__init__()
        self._log, self._bad, self._deaf, self._deadly = log, bad, deaf, deadly
        self._hangs_after: int | None = None

    @classmethod
    def create(
        cls,
        setup: Setup,
        *,
        lanes: int = 3,
        bad: str = "",
        deaf: str = "",
        deadly: str = "",
        hangs_after: int | None = None,
    ) -> "Choir":
        assert setup.argument is not None
        made = cls(Path(setup.argument), *(text.split("+") for text in (bad, deaf, deadly)))
        made.lanes, made._hangs_after = lanes, hangs_after
        return made

    def analyse(self, wave: Waveform) -> Features:
        if wave.id in self._deaf:
            raise AudioError(f"{wave.id} is not heard", wanted="ears", do="open them")
        return super().analyse(wave)

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        self._note("alone", batch)
        return [self._sing(features, seed) for features in batch]

    def generate_many(
        self,
        batch: Sequence[Features],
        seeds: Sequence[int],
        *,
        progress: SecondsMade | None = None,
    ) -> Iterator[tuple[int, Waveform]]:
        """The shortest is finished first."""
        self._note("together", batch)
        made_s, order = 0.0, sorted(range(len(batch)), key=lambda i: batch[i].n_samples)
        for n_done, place in enumerate(order):
            if n_done == self._hangs_after:
                print("hanging", flush=True)
                signal.pause()
            wave = self._sing(batch[place], seeds[place])
            for _ in range(int(wave.duration_s / CHUNK_S)):
                made_s += CHUNK_S
                if progress is not None:
                    progress(made_s)
            yield place, wave

    def _sing(self, features: Features, seed: int) -> Waveform:
        if features.id in self._bad:
            raise RuntimeError(f"{features.id} is out of tune")
        if features.id in self._deadly:
            os._exit(9)
        return self._one(features, seed)

    def _note(self, how: str, batch: Sequence[Features]) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{how} {' '.join(features.id for features in batch)}\n")


class Solo(Dummy):
    """Says how many it likes, and leaves the rest to the contract."""

    lanes = 4


def install(folder: Path) -> None:
    """Register both as a plug-in that lies in `folder`, for whoever has it on the path."""
    metadata = folder / "choir_dist-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: choir-dist\nVersion: 1.0")
    entries = "[evalsuite.vocoders]\nchoir = choir:Choir\nsolo = choir:Solo\n"
    (metadata / "entry_points.txt").write_text(entries)


@pytest.fixture
def choir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of the registered choir; processes started from here know it too."""
    folder = tmp_path / "plug-in"
    install(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(Path(__file__).parent)]))
    monkeypatch.delitem(sys.modules, "choir", raising=False)
    return tmp_path / "log.txt"
