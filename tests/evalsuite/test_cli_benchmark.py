"""``evalsuite benchmark`` as a person sees it."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from evalsuite.cli import app
from evalsuite.cli.benchmark import _speed_table, _three_digits
from evalsuite.cli.device import require_device
from evalsuite.errors import ConfigError, Unavailable, UsageError
from evalsuite.registry import SystemRequest


def speed(label: str, khz: float, **others: object) -> SimpleNamespace:
    facts = {
        "label": label,
        "engine": "gemm",
        "millions_of_parameters": 4.26026,
        "millions_of_parameters_with_weight_norm": 4.26605,
        "speed_khz": khz,
        "speed_khz_min": khz * 0.99,
        "speed_khz_max": khz * 1.01,
        "real_time_factor": 22.05 / khz,
        "loaded": True,
        "weights": "trained",
    }
    return SimpleNamespace(**facts | others)


def test_no_number_is_cut_at_80_columns() -> None:
    speeds = [
        speed("world", 1093.0),
        speed("our_melgan_by_polyphase", 251.7),
        speed("wavenet", 0.04567, millions_of_parameters_with_weight_norm=None),
        speed("waveglow", 12345.0, millions_of_parameters=268.09),
    ]
    console = Console(file=io.StringIO(), width=80)
    console.print(_speed_table(speeds))  # type: ignore[arg-type]
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for shown in (
        "1,090 (1,080-1,100)*", "252 (249-254)*", "0.0457 (0.0452-0.0461)*", "483",
        "12,300 (12,200-12,500)*", "268.090", "4.266", "trained",
    ):  # fmt: skip
        assert shown in text
    assert "…" not in text
    assert "e+" not in text
    assert max(map(len, text.splitlines())) <= 80
    names = "".join(line.split("  ")[0].strip() for line in text.splitlines())
    assert "our_melgan_by_polyphase" in names


@pytest.mark.parametrize(
    ("value", "text"),
    [(999.6, "1,000"), (99.95, "100"), (0.0, "0"), (1.0, "1.00"), (1e-5, "0.0000100"),
     (float("nan"), "nan"), (1234567.0, "1,230,000")],
)  # fmt: skip
def test_three_digits(value: float, text: str) -> None:
    assert _three_digits(value) == text


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


def test_a_device_that_is_not_here_is_refused_whichever_systems(
    no_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Griffin-Lim would run on the CPU whatever it is told, and nobody would know."""
    monkeypatch.setattr("evalsuite.benchmark.run_benchmark", lambda *_, **__: pytest.fail("ran"))
    done = CliRunner().invoke(app, ["benchmark", "--systems", "griffin_lim", "--device", "cuda"])
    assert isinstance(done.exception, Unavailable)
    assert "'cuda' is not here (0 CUDA devices)" in str(done.exception)


def test_devices_by_name(no_gpu: None) -> None:
    require_device("cpu")
    require_device("auto")
    with pytest.raises(ConfigError, match="there is no device 'gpu'"):
        require_device("gpu")
    with pytest.raises(Unavailable, match="cuda:1"):
        require_device("cuda:1")


def test_a_device_without_torch_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "vocoders.layers", None)  # what a failing import leaves
    require_device("auto")
    with pytest.raises(Unavailable, match=r"torch.*not installed.*evalsuite\[neural\]"):
        require_device("cuda")


def test_a_result_that_cannot_be_written_is_refused_before_timing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was timed")

    monkeypatch.setattr("evalsuite.benchmark.run_benchmark", never)
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    for output in (tmp_path, blocked / "result.json"):
        result = CliRunner().invoke(app, ["benchmark", "--systems", "world", "-o", str(output)])
        assert isinstance(result.exception, UsageError)
        assert "cannot write" in result.exception.got
    assert blocked.read_text() == "in the way"


def test_one_engine_for_all_that_offer_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def stop(requests: list[SystemRequest], *_: object, **__: object) -> None:
        asked.extend(requests)
        raise Unavailable("enough", wanted="", do="")

    monkeypatch.setattr("evalsuite.benchmark.run_benchmark", stop)
    run = ["benchmark", "--systems", "melgan,world", "--engine"]
    CliRunner().invoke(app, [*run, "eager"])
    assert [dict(one.options) for one in asked] == [{"engine": "eager"}, {}]
    refused = CliRunner().invoke(app, [*run, "warp"])
    assert isinstance(refused.exception, ConfigError)
    assert "--engine warp" in refused.exception.got
    assert "gemm" in refused.exception.wanted
