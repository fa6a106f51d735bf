"""A study with telling names, and the rating app as a real server process."""

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import yaml

from evalsuite.files import sha256_file
from evalsuite.manifest import (
    Manifest,
    SampleRecord,
    Settings,
    SystemRecord,
    UtteranceRecord,
    write_manifest,
)
from tests_mos.publication import publish_file
from tests_mos.store import Store, default_url, open_store

SYSTEMS = ("zebravocoder", "quaggaoriginal")
UTTERANCE = "mongoose"
RUN = "elephantrun"
STUDY_FILE = "hyenastudy.yaml"
SECRETS = (*SYSTEMS, UTTERANCE, RUN, "hyenastudy", "giraffestudy")
"""Names that no listener may ever receive in any form."""
START_LIMIT_S = 120.0
SERVE = "import typer; from evalsuite.cli.serve import serve; typer.run(serve)"


def write_tone(path: Path, *, duration_s: float, pitch_hz: float) -> None:
    """A quiet sine at 16 kHz: enough to be decoded, played and heard to the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(round(16000 * duration_s)) / 16000
    samples = (3000 * np.sin(2 * np.pi * pitch_hz * time_s)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())


def _system_record(label: str) -> SystemRecord:
    return SystemRecord(
        label=label,
        vocoder="dummy",
        family="dsp",
        conditioning="",
        sample_rate=16000,
        spec="",
        spec_digest="",
        version="1",
        deterministic=True,
        trained=None,
        untrained=False,
        n_parameters=None,
        n_parameters_with_weight_norm=None,
        weights_sha256=None,
        licence="",
        source="",
        config={},
        fingerprint="",
    )


def make_run(run: Path, *, utterances: Sequence[str], duration_s: float) -> None:
    """Write a run whose samples are tones, all different."""
    n_samples = round(16000 * duration_s)
    samples = []
    for number, system in enumerate(SYSTEMS):
        for index, utterance in enumerate(utterances):
            path = f"samples/{system}/{utterance}.wav"
            write_tone(run / path, duration_s=duration_s, pitch_hz=200 + 50 * number + index)
            samples.append(
                SampleRecord(
                    system=system,
                    utterance=utterance,
                    path=path,
                    sha256=sha256_file(run / path),
                    sample_rate=16000,
                    n_samples=n_samples,
                    gain_db=0.0,
                    loudness_lufs=None,
                    delay_s=None,
                    seed=0,
                )
            )
    records = [
        UtteranceRecord(
            id=utterance,
            path=f"{utterance}.wav",
            sha256="",
            speaker="",
            text="",
            duration_s=duration_s,
            n_samples=n_samples,
        )
        for utterance in utterances
    ]
    manifest = Manifest(
        settings=Settings(sample_rate=16000),
        systems=tuple(_system_record(system) for system in SYSTEMS),
        utterances=tuple(records),
        samples=tuple(samples),
        synthetic_speech=True,
    )
    write_manifest(run, manifest)


def make_study(
    folder: Path,
    *,
    listeners: int = 4,
    trials: int = 3,
    duration_s: float = 0.5,
    **changes: object,
) -> Path:
    """Make a run and a study file, and publish it. Returns the file."""
    run = folder / RUN
    utterances = [f"{UTTERANCE}{index:03d}" for index in range(trials)]
    make_run(run, utterances=utterances, duration_s=duration_s)
    settings: dict[str, object] = {
        "id": "giraffestudy",
        "title": "How natural does it sound?",
        "instructions": "Please judge **how good** the speech sounds.",
        "consent": "Taking part is voluntary.",
        "run": str(run),
        "systems": list(SYSTEMS),
        "utterances": utterances,
        "listeners": listeners,
        "ratings_per_listener": trials,
        **changes,
    }
    path = folder / STUDY_FILE
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with open_store(default_url(path)) as store:
        publish_file(path, store)
    return path


def free_port() -> int:
    """A port below those that the system gives to outgoing connections.

    One of theirs could be taken while a killed server is away: by other tests, or by a listener
    who tries to reach it, because a connection to a port from that very port succeeds.
    """
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Site:
    """The app serving one study; can be killed and started again on the same port."""

    study: Path
    log: Path
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-c", SERVE, str(self.study), "--port", str(self.port)]
        command += self.options
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, "--quiet"], stdout=log, stderr=log)
        self._await_ready()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)  # polling a socket that nobody listens on yet
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """As the operating system kills: without a chance to tidy up."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def store(self) -> Store:
        """The study's database, opened beside the server."""
        return open_store(default_url(self.study))


@contextmanager
def serving(study: Path, *options: str) -> Iterator[Site]:
    """Serve a published study by its file; the way any other test may do it, too."""
    site = Site(study, log=study.with_suffix(f".{os.getpid()}.log"), options=options)
    try:
        site.start()
        yield site
    finally:
        site.stop()
