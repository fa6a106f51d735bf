"""Engines, baselines, batches and processes, with a plug-in whose speed is known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from evalsuite.benchmark import BenchmarkSettings, run_benchmark
from evalsuite.benchmark_errors import numerical_error, spectral_convergence
from evalsuite.benchmark_partners import baseline_request, other_requests, reference_request
from evalsuite.benchmark_plan import TABLE1_SYSTEMS, run_table1, table1_settings
from evalsuite.benchmark_records import Benchmark, SystemSpeed
from evalsuite.benchmark_scaling import measure_scaling
from evalsuite.benchmark_timing import (
    Clocks,
    Partner,
    benchmark_features,
    time_batches,
    time_in_turns,
)
from evalsuite.dummy import Dummy
from evalsuite.engine_options import engine_of, with_engine
from evalsuite.errors import AudioError, ConfigError, Unavailable
from evalsuite.machine_ceilings import Ceilings
from evalsuite.registry import parse_system, parse_systems
from evalsuite.types import Features, Waveform

QUICK = BenchmarkSettings(duration_s=0.2, runs=3, warm_up_runs=1)


class Named(Dummy):
    """Writes down who worked, and takes so long on a clock of its own."""

    def __init__(self, name: str, seconds: float, log: list[str], clock: list[float]) -> None:
        super().__init__()
        self.name, self.seconds, self.log, self.clock = name, seconds, log, clock

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        self.log.append(self.name)
        self.clock[0] += self.seconds * len(batch) ** 0.5
        return super().generate(batch, seed=seed)


def test_both_are_timed_in_turns() -> None:
    log: list[str] = []
    clock = [0.0]
    ours, theirs = Named("A", 0.1, log, clock), Named("B", 0.3, log, clock)
    features = benchmark_features(ours, 0.2, 22050)
    clocks = Clocks(lambda: clock[0], lambda: clock[0])
    partner = Partner("official", theirs, features)
    runs, baseline = time_in_turns(ours, features, QUICK, partner, clocks)
    assert log == ["A", "B"] * 3
    assert runs.seconds == pytest.approx([0.1] * 3)
    assert baseline is not None
    assert (baseline.engine, baseline.n_samples) == ("official", 4410)
    assert baseline.ratio.median == pytest.approx(3.0)


def test_a_batch_is_compared_with_one_utterance() -> None:
    """Four at once take twice as long as one here: twice the speed."""
    log: list[str] = []
    clock = [0.0]
    vocoder = Named("A", 0.1, log, clock)
    features = benchmark_features(vocoder, 0.2, 22050)
    settings = QUICK.model_copy(update={"batch_sizes": [4]})
    clocks = Clocks(lambda: clock[0], lambda: clock[0])
    (batch,) = time_batches(vocoder, features, settings, 4.41, clocks)
    assert batch.ratio_to_one.median == pytest.approx(2.0)
    assert batch.speed_khz == pytest.approx(4 * 4.41 / 0.2)
    assert batch.ratio_to_baseline == pytest.approx(20.0)


def test_short_features_are_cut_from_longer_ones() -> None:
    """A mel of 30 ms needs more audio around it than it lasts."""
    pytest.importorskip("librosa")
    from vocoders.griffin_lim import GriffinLim

    vocoder = GriffinLim.create(_setup(), engine="scipy", n_iterations=1)
    long, short = (benchmark_features(vocoder, s, 22050) for s in (0.2, 0.03))
    assert (short.values.shape[1], short.n_samples) == (3, 768)
    np.testing.assert_array_equal(short.values, long.values[:, :3])
    assert vocoder.generate([short], seed=0)[0].samples.shape == (768,)


def _setup():
    from evalsuite.registry import Setup

    return Setup()


PLUG_IN = """
import time
from dataclasses import replace
from typing import Literal
import numpy as np
from evalsuite.dummy import Dummy
from evalsuite.errors import Unavailable
from evalsuite.types import Waveform
from evalsuite.workload import Workload

class Buzz(Dummy):
    def __init__(self, engine):
        super().__init__()
        self.engine = {"auto": "fast"}.get(engine, engine)
        self.info = replace(self.info, config={"engine": self.engine})

    @classmethod
    def create(
        cls, setup, *, engine: Literal["auto", "official", "eager", "fast", "gone"] = "auto"
    ):
        if engine == "gone":
            raise Unavailable("no such part", wanted="the part", do="install it")
        return cls(engine)

    def workload(self):
        read = 500.0 if self.engine == "fast" else None
        return Workload({"official": 1000.0}.get(self.engine, 1.0), 4000, True, read)

    def generate(self, batch, *, seed):
        made = super().generate(batch, seed=seed)
        stop = time.process_time() + {"official": 0.3, "eager": 0.03}.get(self.engine, 0.003)
        while time.process_time() < stop:
            pass
        if self.engine == "fast":
            made = [Waveform(w.samples + np.float32(1e-3), w.sample_rate, w.id) for w in made]
        return made
"""


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vocoder with engines of known speed, importable here and in child processes."""
    metadata = tmp_path / "fast_dist-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fast-dist\nVersion: 1.0")
    (metadata / "entry_points.txt").write_text("[evalsuite.vocoders]\nspin = fast_seen:Buzz\n")
    (tmp_path / "fast_seen.py").write_text(PLUG_IN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_the_words_of_the_option_say_which_engine_is_the_baseline(plug_in: None) -> None:
    request = parse_system("s=spin")
    assert engine_of(request) == "auto"
    assert baseline_request(request) == parse_system("s=spin?engine=official")
    assert reference_request(request) == parse_system("s=spin?engine=eager")
    assert baseline_request(parse_system("spin?engine=official")) is None
    assert (engine_of(parse_system("dummy")), baseline_request(parse_system("dummy"))) == (
        None,
    ) * 2


def test_an_engine_is_chosen_for_those_that_have_it(plug_in: None) -> None:
    requests = parse_systems("s=spin,t=spin?engine=official,dummy")
    chosen = with_engine(requests, "fast")
    assert chosen == parse_systems("s=spin?engine=fast,t=spin?engine=official,dummy")
    with pytest.raises(ConfigError, match=r"quick.*spin: auto, official.*dummy: no choice"):
        with_engine(requests, "quick")


def test_narrow_weights_are_engines_of_their_own() -> None:
    others = {one.label: dict(one.options) for one in other_requests(parse_system("w=wavenet"))}
    assert others["w-blocked"] == {"engine": "blocked"}
    assert others["w-numba"] == {"engine": "numba"}
    assert others["w-numba-int8"] == {"engine": "numba", "weights": "int8"}
    assert [label for label in others if "float32" in label] == []
    narrow = parse_system("w=wavenet?engine=numba&weights=int8")
    assert baseline_request(narrow) == parse_system("w=wavenet?engine=official")
    assert reference_request(narrow) == parse_system("w=wavenet?engine=eager")


def test_every_engine_is_timed_against_the_same_baseline(
    plug_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ceilings = Ceilings({"float32": 100.0}, {1024: 10.0})
    monkeypatch.setattr("evalsuite.benchmark.measure_ceilings_of", lambda *_: ceilings)
    asked = {"baseline": True, "all_engines": True, "roofline": True}
    result = run_benchmark([parse_system("s=spin")], QUICK.model_copy(update=asked))
    fast, eager = result.systems
    assert (fast.label, fast.engine, fast.variant_of) == ("s", "fast", None)
    assert (eager.label, eager.engine, eager.variant_of) == ("s-eager", "eager", "s")
    assert [one.name for one in result.skipped] == ["s-gone"]
    assert fast.baseline is not None
    assert eager.baseline is not None
    # CPU time is spun: 100 and 10 on an idle machine, and far from 1 on any other.
    assert fast.baseline.ratio.median > 4
    assert eager.baseline.ratio.median > 2
    assert fast.baseline.engine == "official"
    assert fast.error is not None
    assert fast.error.max_abs == pytest.approx(1e-3, rel=1e-3)
    assert fast.error.reference == "eager"
    assert eager.error is None
    # The official engine's count: a faster one may do less, or hide it from the counter.
    assert fast.workload is not None
    assert fast.workload.multiply_adds_per_sample == 1000
    assert (fast.workload.weight_bytes, fast.workload.bytes_per_step) == (4000, 500)
    assert eager.workload is not None
    assert eager.workload.bytes_per_step == 4000
    assert result.ceilings == {"cpu": ceilings}
    assert Benchmark.model_validate_json(result.model_dump_json()) == result


def test_threads_and_processes_are_timed_in_turns_with_one(plug_in: None) -> None:
    # An engine whose turn is longer than a busy machine makes a process wait.
    threads, processes = measure_scaling(parse_system("spin?engine=eager"), QUICK, n_cores=2)
    assert (threads.processes, threads.threads) == (1, 2)
    assert (processes.processes, processes.threads) == (2, 1)
    # Spinning does not use threads; two processes share whatever cores are free.
    assert 0.1 < threads.ratio.median < 6
    assert 0.1 < processes.ratio.median < 6
    assert processes.ratio.n_pairs == 3
    assert measure_scaling(parse_system("spin"), QUICK, n_cores=1) == []


def test_errors_of_a_server_come_back_whole(plug_in: None) -> None:
    with pytest.raises(Unavailable, match="no such part"):
        measure_scaling(parse_system("spin?engine=gone"), QUICK, n_cores=2)


def test_a_pinned_worker_runs_torch_with_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    metadata = tmp_path / "torch_dist-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: torch-dist\nVersion: 1.0")
    (metadata / "entry_points.txt").write_text("[evalsuite.vocoders]\nasks = torch_seen:Asks\n")
    (tmp_path / "torch_seen.py").write_text(
        "from evalsuite.dummy import Dummy\n"
        "from evalsuite.errors import AudioError\n"
        "class Asks(Dummy):\n"
        "    @classmethod\n"
        "    def create(cls, setup):\n"
        "        import torch\n"
        "        n = torch.get_num_threads()\n"
        "        raise AudioError(f'torch has {n} threads', wanted='an answer', do='read it')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with pytest.raises(AudioError, match="torch has 1 threads"):
        run_benchmark([parse_system("asks")], QUICK)


def test_an_error_is_measured_against_the_reference() -> None:
    reference = np.sin(np.arange(1000) / 10).astype(np.float32)
    output = reference.copy()
    output[3] += 0.5
    error = numerical_error(output, reference, "eager")
    assert error.max_abs == pytest.approx(0.5)
    assert error.snr_db == pytest.approx(10 * np.log10(np.sum(reference**2) / 0.25), abs=1e-3)
    assert numerical_error(reference, reference, "eager").snr_db is None


def test_spectral_convergence_ignores_the_phase_and_is_one_for_silence() -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 8192).astype(np.float32)
    assert spectral_convergence(-wave, wave) == pytest.approx(0, abs=1e-6)
    assert spectral_convergence(0 * wave, wave) == pytest.approx(1)
    assert spectral_convergence(2 * wave, wave) == pytest.approx(1, rel=1e-5)
    assert np.isnan(spectral_convergence(wave, 0 * wave))


def test_autoregressive_systems_get_2000_steps_and_no_more_than_they_need() -> None:
    settings = BenchmarkSettings()
    wavenet = table1_settings("wavenet", settings, None)
    assert wavenet.duration_s * 22050 >= 2000
    assert wavenet.duration_s < table1_settings("melgan", settings, None).duration_s
    forced = table1_settings("wavenet", settings, 1.0)
    assert (forced.duration_s, forced.short_duration_s) == (1.0, None)


def test_table_1_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU, and with one network of the paper alone: nothing is made up."""
    ran: list[tuple[str, str]] = []

    def fake_run(requests, settings, *, special, progress):
        ran.extend((one.label, special[one.label].device) for one in requests)
        return Benchmark(settings=settings, systems=[], skipped=[], provenance={})

    def no_gpu(device: str, threads: int) -> None:
        raise Unavailable(f"device {device!r} is not here", wanted="one", do="add it")

    monkeypatch.setattr("evalsuite.benchmark_plan.run_benchmark", fake_run)
    monkeypatch.setattr("evalsuite.benchmark_plan.measure_ceilings_of", no_gpu)
    monkeypatch.setattr("evalsuite.benchmark_plan.vocoder_names", lambda: ["melgan", "dummy"])
    result = run_table1(BenchmarkSettings())
    assert ran == [("melgan", "cpu")]
    assert result.missing_devices == {"cuda": "device 'cuda' is not here"}
    assert {one.name for one in result.skipped} == set(TABLE1_SYSTEMS) - {"melgan"}


def test_a_gpu_gets_the_networks_batches_and_half_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, BenchmarkSettings] = {}
    made = run_benchmark([parse_system("dummy")], QUICK).systems[0].model_dump()

    def fake_run(requests, settings, *, special, progress):
        speeds = []
        for one in requests:
            own = special[one.label]
            device = own.device if one.vocoder != "griffin_lim" else "cpu"
            asked[f"{one.label} {own.device}"] = own
            facts = {"label": one.label, "vocoder": one.vocoder, "device": device}
            speeds.append(SystemSpeed.model_validate(made | facts))
        return Benchmark(settings=settings, systems=speeds, skipped=[], provenance={})

    monkeypatch.setattr("evalsuite.benchmark_plan.run_benchmark", fake_run)
    monkeypatch.setattr("evalsuite.benchmark_plan.measure_ceilings_of", lambda *_: None)
    result = run_table1(BenchmarkSettings())
    on_gpu = {one.label: one.variant_of for one in result.systems if one.device == "cuda"}
    assert on_gpu == {
        "wavenet": None, "clarinet": None, "waveglow": None, "melgan": None,
        "waveglow-float16": "waveglow",
    }  # fmt: skip
    wavenet = asked["wavenet cuda"]
    assert (wavenet.batch_sizes, wavenet.baseline, wavenet.roofline) == ([16, 64], False, False)
    assert asked["waveglow-float16 cuda"] == asked["waveglow cuda"]
    assert result.missing_devices == {}
