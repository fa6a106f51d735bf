"""What ``evalsuite generate`` shows while it works."""

import io
import time
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from evalsuite.cli import app, console
from evalsuite.cli.generate import _print_marks, _progress
from evalsuite.errors import Unavailable
from evalsuite.generate import Progress


def shown_for(monkeypatch: pytest.MonkeyPatch, states: list[tuple[float, Progress]]) -> list[str]:
    """Give the lines that stay on a terminal after these reports, each at its second."""
    screen, now = io.StringIO(), [0.0]
    terminal = Console(file=screen, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr(console, "stderr_console", lambda: terminal)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with _progress(quiet=False) as report:
        for second, state in states:
            now[0] = second
            report(state)
    return [line for line in screen.getvalue().splitlines() if "━" in line]


def test_what_is_made_side_by_side_has_a_bar_and_a_clock_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states = [
        (0.0, Progress(4, 20, 0.0, 0.0, 60.0)),
        (10.0, Progress(4, 20, 0.0, 15.0, 60.0)),
        (40.0, Progress(4, 20, 0.0, 60.0, 60.0)),
        (50.0, Progress(12, 20, 30.0, 60.0, 60.0)),
    ]
    vocoding, making = shown_for(monkeypatch, states[:2])[-2:]
    assert "vocoding (s)" in vocoding
    assert "15/60" in vocoding
    assert "1.500 x real time" in vocoding
    assert "4/20" in making
    vocoding, making = shown_for(monkeypatch, states)[-2:]
    assert "60/60" in vocoding
    assert "1.500 x real time" in vocoding
    assert "12/20" in making
    assert "3.000 x real time" in making


def test_without_lanes_there_is_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [(0.0, Progress(0, 4, 0.0)), (2.0, Progress(2, 4, 5.0))]
    lines = shown_for(monkeypatch, states)
    assert not any("vocoding" in line for line in lines)
    assert "2/4" in lines[-1]
    assert "2.500 x real time" in lines[-1]


def test_systems_that_ignore_the_gpu_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Someone who asks for a GPU is told what did not use it."""
    systems = [SimpleNamespace(label="griffin_lim", config={}),
               SimpleNamespace(label="melgan", config={"device": "cuda"})]  # fmt: skip
    manifest = SimpleNamespace(
        systems=systems, synthetic_speech=False, untrained_labels=(), samples=()
    )
    for device in ("cuda", "cpu"):
        _print_marks(SimpleNamespace(manifest=manifest), device)  # type: ignore[arg-type]
    assert capsys.readouterr().err.splitlines() == [
        "computed on the CPU, which is all they use: griffin_lim"
    ]


def test_a_device_that_is_not_here_stops_before_anything_is_read() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    run = ["generate", "run", "--corpus", "nowhere", "--systems", "griffin_lim"]
    result = CliRunner().invoke(app, [*run, "--device", "cuda"])
    assert isinstance(result.exception, Unavailable)
