"""Every registered vocoder keeps every promise of the contract."""

from functools import cache
from pathlib import Path

import pytest

from evalsuite.audio import write_wave
from evalsuite.conformance import CHECK_NAMES, check_vocoder, conformance_wave
from evalsuite.registry import SystemRequest, availability, create_vocoder, vocoder_names

#: What a vocoder is asked for besides its name, to reach code that the default does not.
VARIANTS: dict[str, tuple[str, dict[str, str | int | float | bool]]] = {
    "anchor-7k": ("anchor", {"cutoff_hz": 7000.0}),
    "griffin_lim-melgan": ("griffin_lim", {"mel": "melgan", "mel_iterations": 0}),
    "griffin_lim-wavenet": ("griffin_lim", {"mel": "wavenet"}),
    "griffin_lim-clarinet": ("griffin_lim", {"mel": "clarinet", "momentum": 0.0}),
    "world-dio": ("world", {"f0": "dio"}),
}
#: Networks that need minutes at full size: their own tests check the contract on small ones.
CHECKED_ELSEWHERE = {
    "waveglow": "test_waveglow.py",
    "wavenet": "test_wavenet.py",
    "clarinet": "test_clarinet.py",
    "clarinet_teacher": "test_clarinet.py",
    "hifigan": "test_hifigan.py",
    "parallel_wavegan": "test_parallel_wavegan.py",
    "mb_melgan": "test_mb_melgan.py",
    "bigvgan": "test_bigvgan.py",
    "onnx": "test_onnx.py",
}
REQUESTS = {
    name: (name, {}) for name in vocoder_names() if name not in CHECKED_ELSEWHERE
} | VARIANTS


@pytest.fixture(scope="session")
def finished_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``recorded``: the trial wave under its own id."""
    folder = tmp_path_factory.mktemp("finished")
    wave = conformance_wave()
    write_wave(folder / f"{wave.id}.wav", wave, dither_seed=0)
    return folder


@cache
def failures(case: str, folder: Path) -> dict[str, str]:
    name, options = REQUESTS[case]
    state = availability(name)
    if "not installed" in state.reason:
        pytest.skip(f"{state.reason}: {state.how}")
    argument = str(folder) if name == "recorded" else None
    request = SystemRequest(case, name, argument, dict(options))
    results = check_vocoder(create_vocoder(request, untrained=True))
    assert len(results) == len(CHECK_NAMES)
    return {result.name: result.detail for result in results if not result.passed}


@pytest.mark.parametrize("check", CHECK_NAMES)
@pytest.mark.parametrize("case", REQUESTS)
def test_contract(case: str, check: str, finished_files: Path) -> None:
    assert failures(case, finished_files).get(check, "") == ""


@pytest.mark.parametrize("name", CHECKED_ELSEWHERE)
def test_what_is_checked_elsewhere_is(name: str) -> None:
    assert name in vocoder_names()
    text = (Path(__file__).parent / CHECKED_ELSEWHERE[name]).read_text(encoding="utf-8")
    assert "check_vocoder(" in text
