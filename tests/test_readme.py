"""The README is run: its walkthrough on synthetic recordings, its links followed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalsuite.types import Waveform

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

pytest.importorskip("pyworld")


def block(marker: str) -> list[str]:
    """Commands of the code block that follows an HTML comment."""
    found = re.search(rf"<!-- {marker} -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert found, marker
    return found.group(1).splitlines()


def test_walkthrough(tmp_path: Path, speech: Waveform) -> None:
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for number in range(4):
        samples = np.roll(speech.samples, 997 * number) * (1 - 0.1 * number)
        soundfile.write(recordings / f"clip{number}.wav", samples, speech.sample_rate)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for line in block("walkthrough"):
        command = shlex.split(line)
        if command[1] == "serve":  # it would wait for people
            command = ["evalsuite", "study", "simulate", command[2]]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    table = (tmp_path / "my_results" / "table3.md").read_text()
    assert "Griffin-Lim" in table
    assert "SIMULATED" in table
    assert (tmp_path / "my_results" / "report.html").stat().st_size > 100_000


def test_commands_stand_alone_on_one_line() -> None:
    for marker in ("demo", "tests"):
        lines = block(marker)
        assert len(lines) == 1
        assert lines[0].startswith("python3 -m venv .venv && ")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text)
    assert targets
    local = [target for target in targets if "://" not in target]
    missing = [target for target in local if not ((ROOT / page).parent / target).exists()]
    assert missing == []
