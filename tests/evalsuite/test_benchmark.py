"""Speed and parameters: the arithmetic by a clock of our own, the rest in real processes."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from evalsuite.benchmark import (
    BenchmarkSettings,
    default_requests,
    read_benchmark,
    run_benchmark,
    write_benchmark,
)
from evalsuite.benchmark_timing import Clocks
from evalsuite.benchmark_worker import measure_speed
from evalsuite.dummy import Dummy
from evalsuite.errors import ConfigError, ManifestError, UnknownName, VocoderError
from evalsuite.machine_load import LoadMeter, ProcessorTimes
from evalsuite.registry import SystemRequest, parse_system, parse_systems
from evalsuite.types import Features, Waveform

QUICK = BenchmarkSettings(duration_s=0.2)


def quiet_meter() -> LoadMeter:
    """Nothing but an idle processor, whatever else runs while the tests do."""
    return scripted_meter(other_cores=0.0)


def scripted_meter(*, other_cores: float, stolen_share: float = 0.0) -> LoadMeter:
    """Ten seconds on two processors, of which others had some."""
    answers = iter(
        [
            ProcessorTimes(0.0, 0.0, 0.0),
            ProcessorTimes(1.0 + 10 * other_cores, 20 * stolen_share, 20.0),
        ]
    )
    seconds, own = iter([0.0, 10.0]), iter([0.0, 1.0])
    return LoadMeter(
        clock=lambda: next(seconds), own_cpu=lambda: next(own), times=lambda: next(answers)
    )


class Clock:
    """Time that passes only when the vocoder works."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Timed(Dummy):
    """Takes the next number of seconds; the GPU, if any, is waited for by synchronize()."""

    def __init__(self, clock: Clock, seconds: Sequence[float], waiting_s: float = 0.0) -> None:
        super().__init__()
        self.clock, self.seconds, self.waiting_s = clock, list(seconds), waiting_s

    def analyse(self, wave: Waveform) -> Features:
        self.clock.now_s += 100
        return super().analyse(wave)

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        self.clock.now_s += self.seconds.pop(0)
        return super().generate(batch, seed=seed)

    def synchronize(self) -> None:
        self.clock.now_s += self.waiting_s


def test_speed_is_the_median_after_the_warm_up_without_the_analysis() -> None:
    clock = Clock()
    vocoder = Timed(clock, [50, 50, 0.1, 0.2, 0.4, 0.5, 0.8])
    speed = measure_speed(
        SystemRequest("d", "dummy"), vocoder, BenchmarkSettings(duration_s=1.0),
        load_s=3.0, load_average=0.1, clocks=Clocks(clock, clock), meter=quiet_meter,
    )  # fmt: skip
    assert vocoder.seconds == []
    assert speed.seconds == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.8])
    assert speed.n_samples == 22050
    assert speed.speed_khz == pytest.approx(22.05 / 0.4)
    assert (speed.speed_khz_min, speed.speed_khz_max) == pytest.approx((22.05 / 0.8, 220.5))
    assert speed.spread == pytest.approx((220.5 - 22.05 / 0.8) / (22.05 / 0.4))
    assert speed.real_time_factor == pytest.approx(0.4)
    assert (speed.analysis_s, speed.load_s) == (100, 3.0)
    assert (speed.weights, speed.n_parameters, speed.loaded) == ("none", None, False)


def test_a_gpu_is_waited_for_inside_the_timed_run() -> None:
    clock = Clock()
    vocoder = Timed(clock, [0.1] * 7, waiting_s=0.4)
    speed = measure_speed(
        SystemRequest("d", "dummy"), vocoder, QUICK,
        load_s=0, load_average=None, clocks=Clocks(clock, clock), meter=quiet_meter,
    )  # fmt: skip
    assert speed.seconds == pytest.approx([0.5] * 5)


@pytest.mark.parametrize(
    ("other_cores", "stolen_share", "cpu_seconds_per_second", "loaded"),
    [
        (0.1, 0.0, 1.0, False),
        (0.6, 0.0, 1.0, True),  # a neighbour on the other core
        (0.0, 0.05, 1.0, True),  # a neighbour on the host of a virtual machine
        (0.0, 0.0, 0.5, True),  # waited for its own core
    ],
)
def test_a_busy_machine_is_flagged(
    other_cores: float, stolen_share: float, cpu_seconds_per_second: float, loaded: bool
) -> None:
    clock = Clock()
    speed = measure_speed(
        SystemRequest("d", "dummy"), Timed(clock, [0.1] * 7), QUICK,
        load_s=0, load_average=1.5,
        clocks=Clocks(clock, lambda: clock.now_s * cpu_seconds_per_second),
        meter=lambda: scripted_meter(other_cores=other_cores, stolen_share=stolen_share),
    )  # fmt: skip
    assert speed.loaded is loaded
    assert speed.load is not None
    assert speed.load.other_cores == pytest.approx(other_cores)
    assert speed.load.stolen_share == pytest.approx(stolen_share)


PLUG_IN = """
import os
from evalsuite.dummy import Dummy
from evalsuite.errors import AudioError

class Buzz(Dummy):
    @classmethod
    def create(cls, setup, *, fail: str = ""):
        print("a library that talks")
        if fail == "typed":
            raise AudioError("too short", wanted="more", do="add some")
        if fail:
            raise RuntimeError("segmentation, nearly")
        assert {os.environ[f"{n}_NUM_THREADS"] for n in ("OMP", "MKL", "OPENBLAS")} == {"3"}
        return cls()
"""


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vocoder that looks at its environment, importable here and in child processes."""
    metadata = tmp_path / "plug_dist-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plug-dist\nVersion: 1.2")
    (metadata / "entry_points.txt").write_text("[evalsuite.vocoders]\nbuzz = seen:Buzz\n")
    (tmp_path / "seen.py").write_text(PLUG_IN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_threads_are_pinned_before_the_process_starts(plug_in: None) -> None:
    settings = BenchmarkSettings(duration_s=0.2, threads=3)
    result = run_benchmark([parse_system("buzz")], settings)
    assert [(speed.label, speed.threads) for speed in result.systems] == [("buzz", 3)]


def test_errors_cross_the_process_border(plug_in: None) -> None:
    with pytest.raises(VocoderError, match="RuntimeError: segmentation, nearly"):
        run_benchmark([parse_system("buzz?fail=crash")], QUICK)
    from evalsuite.errors import AudioError

    with pytest.raises(AudioError, match="too short"):
        run_benchmark([parse_system("buzz?fail=typed")], QUICK)


def test_a_real_run_counts_melgan_and_marks_its_random_weights(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    told: list[str] = []
    result = run_benchmark(parse_systems("m=melgan,dummy"), QUICK, progress=told.append)
    assert told == ["1/2 m", "2/2 dummy"]
    melgan, dummy = result.systems
    # The two counts of the paper's generator: 4.26 million is the one without weight norm.
    assert (melgan.n_parameters, melgan.n_parameters_with_weight_norm) == (4_260_257, 4_266_050)
    assert melgan.millions_of_parameters == 4.260257
    assert melgan.millions_of_parameters_with_weight_norm == 4.26605
    assert (melgan.weights, melgan.device, melgan.dtype) == ("random", "cpu", "float32")
    # Resident: at least the weights and torch itself, at most what a small machine has.
    assert 100 < (melgan.peak_memory_mib or 0) < 4096
    assert melgan.n_samples == 4410 // 256 * 256
    assert melgan.load_s > 0.1  # torch was imported in there
    assert (dummy.weights, dummy.millions_of_parameters) == ("none", None)
    path = tmp_path / "run" / "benchmark.json"
    write_benchmark(path, result)
    assert read_benchmark(path) == result
    assert set(json.loads(path.read_text())) == {
        "schema_version", "settings", "systems", "skipped", "missing_devices", "ceilings",
        "provenance",
    }  # fmt: skip


def test_what_cannot_run_is_listed_and_the_rest_is_timed() -> None:
    result = run_benchmark(parse_systems("missing=melgan?device=cuda:99,dummy"), QUICK)
    assert [speed.label for speed in result.systems] == ["dummy"]
    assert [skipped.name for skipped in result.skipped] == ["missing"]
    assert "cuda:99" in result.skipped[0].reason


def test_nothing_is_timed_if_a_system_is_wrong() -> None:
    told: list[str] = []
    with pytest.raises(UnknownName):
        run_benchmark(parse_systems("dummy,dumy"), QUICK, progress=told.append)
    with pytest.raises(ConfigError, match="'original' does not synthesise"):
        run_benchmark(parse_systems("dummy,original"), QUICK, progress=told.append)
    assert told == []


def test_defaults_leave_out_the_recording() -> None:
    names = [request.vocoder for request in default_requests()]
    assert {"griffin_lim", "world", "melgan"} <= set(names)
    assert not {"original", "anchor", "recorded"} & set(names)


def test_a_file_that_is_no_benchmark_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.json"
    with pytest.raises(ManifestError, match="not a benchmark"):
        read_benchmark(path)
    path.write_text('{"schema_version": 99}')
    with pytest.raises(ManifestError, match="schema version 1 or 2"):
        read_benchmark(path)


def test_two_runs_have_no_spread_to_speak_of() -> None:
    with pytest.raises(ValueError, match="runs"):
        BenchmarkSettings(runs=2)


def test_a_file_of_the_first_version_is_still_read(tmp_path: Path) -> None:
    old = {
        "schema_version": 1,
        "settings": {
            "device": "cpu", "threads": 1, "runs": 5, "warm_up_runs": 2, "duration_s": 2.0,
            "sample_rate": 22050,
        },
        "systems": [], "skipped": [], "provenance": {},
    }  # fmt: skip
    path = tmp_path / "benchmark.json"
    path.write_text(json.dumps(old))
    assert read_benchmark(path).ceilings == {}
