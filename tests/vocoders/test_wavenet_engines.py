"""WaveNet engines: all compute the same, and no utterance hears another."""

import sys
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import reference_wavenet as reference  # noqa: E402
from small_wavenet import KINDS, plain, random_mel  # noqa: E402

from evalsuite.errors import ConfigError, Unavailable  # noqa: E402
from vocoders import wavenet_kernels  # noqa: E402
from vocoders.wavenet_blocked import BlockedEngine  # noqa: E402
from vocoders.wavenet_config import preset  # noqa: E402
from vocoders.wavenet_engine import CHUNK, LaneEngine, LaneRange, lane_range  # noqa: E402
from vocoders.wavenet_engines import EngineChoice, make_engines  # noqa: E402
from vocoders.wavenet_fused import fuse  # noqa: E402
from vocoders.wavenet_lanes import Task, generate_codes  # noqa: E402
from vocoders.wavenet_network import WaveNet  # noqa: E402
from vocoders.wavenet_numba import NumbaEngine  # noqa: E402
from vocoders.wavenet_official import OfficialEngine  # noqa: E402
from vocoders.wavenet_output import output_of  # noqa: E402
from vocoders.wavenet_quantise import quantise_network, quantise_rows  # noqa: E402

EXACT = ["official", "eager", "rings", "blocked", "numba"]
N_SAMPLES = 6 * CHUNK


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Products of this size wait longer for a second thread than they take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def engine_of(network: WaveNet, name: str, weights: str = "float32") -> LaneEngine:
    if name == "numba":
        pytest.importorskip("numba")
    choice = EngineChoice(name, weights, lanes=3)  # type: ignore[arg-type]
    make, lanes = make_engines(network, choice)
    return make(lanes.most)


def teacher_forced(engine: LaneEngine, network: WaveNet, codes: torch.Tensor) -> torch.Tensor:
    """Predictions of the last lane for given samples, shape (time, out); the others hear noise."""
    n_frames = -(-N_SAMPLES // _hop(network))
    mel = torch.rand(network.config.n_mels, n_frames, generator=torch.Generator().manual_seed(0))
    source = torch.Generator().manual_seed(9)
    predicted = []
    with torch.inference_mode():
        condition = network.upsampler(mel[None])[0].T[:N_SAMPLES]
        for lane in range(engine.lanes):
            engine.restart(lane)
        for start in range(0, N_SAMPLES, CHUNK):
            rows = torch.rand(CHUNK, engine.lanes, condition.shape[1], generator=source)
            rows[:, -1] = condition[start : start + CHUNK]
            engine.condition(rows)
            for position in range(CHUNK):
                heard = codes[torch.randint(len(codes), (engine.lanes,), generator=source)]
                heard[-1] = codes[start + position]
                predicted.append(engine.step(position, heard)[-1].clone())
        expected = network(output_of(network.config).to_inputs(codes[None]), condition.T[None])[0].T
    return torch.stack(predicted), expected  # type: ignore[return-value]


def _hop(network: WaveNet) -> int:
    hop = 1
    for scale in network.config.upsample_scales:
        hop *= scale
    return hop


def some_codes(network: WaveNet) -> torch.Tensor:
    source = torch.Generator().manual_seed(4)
    if network.config.output == "mulaw":
        return torch.randint(256, (N_SAMPLES,), generator=source)
    return torch.rand(N_SAMPLES, generator=source) - 0.5


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_is_the_parallel_network(kind: str, name: str) -> None:
    network = plain(KINDS[kind])
    stepped, parallel = teacher_forced(engine_of(network, name), network, some_codes(network))
    assert parallel.std(0).mean() > 0.01
    torch.testing.assert_close(stepped, parallel, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("kind", ["2092a64-logistics", "2092a64-wide"])
def test_free_runs_are_the_reference_s(kind: str, name: str) -> None:
    """The same numbers drawn give the same samples as slow numpy loops that feed themselves."""
    sizes, n_frames = KINDS[kind], 9
    n_samples = n_frames * sizes.hop - 5
    network = plain(sizes)
    output, mel = output_of(network.config), random_mel(sizes, n_frames)
    draws = output.draw(n_samples, torch.Generator().manual_seed(7))
    with torch.inference_mode():
        engine = engine_of(network, name)
        lanes = LaneRange(engine.lanes, engine.lanes)
        tasks = [Task(mel, n_samples, seed=0, draws=draws)]
        made = generate_codes(lambda n: engine, lanes, network.upsampler, output, tasks)[0]
    state = reference.random_state(sizes, 0)
    theirs = reference.generate_logistic(state, sizes, mel.numpy(), draws.numpy())
    assert theirs.std() > 0.02
    # A free run feeds its rounding back to itself.
    np.testing.assert_allclose(made, theirs, atol=5e-5)


def several_tasks(sizes: reference.Sizes) -> list[Task]:
    """More than there are lanes, of many lengths, some with equal seeds."""
    lengths = [50, 200, 33, 32, 1, 150, 64]
    return [
        Task(random_mel(sizes, -(-length // sizes.hop), seed=n), length, seed=n % 3)
        for n, length in enumerate(lengths)
    ]


def run(network: WaveNet, lanes: LaneRange, tasks: Sequence[Task]) -> list[torch.Tensor]:
    with torch.inference_mode():
        return generate_codes(
            partial(BlockedEngine, fuse(network)),
            lanes,
            network.upsampler,
            output_of(network.config),
            tasks,
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_what_one_by_one_is(kind: str) -> None:
    """Bit for bit, with lanes that are refilled and ranks that close."""
    network, tasks = plain(KINDS[kind]), several_tasks(KINDS[kind])
    lanes = lane_range(fuse(network).matrices(), 4)
    together = run(network, lanes, tasks)
    alone = [run(network, lanes, [task])[0] for task in tasks]
    assert [len(codes) for codes in together] == [task.n_samples for task in tasks]
    for one, many in zip(alone, together, strict=True):
        assert torch.equal(one, many)


@pytest.mark.parametrize("n_lanes", [1, 5])
def test_a_batch_is_what_one_by_one_is_with_a_fixed_number_of_lanes(n_lanes: int) -> None:
    sizes = KINDS["2092a64-logistics"]
    network, tasks, lanes = plain(sizes), several_tasks(sizes), LaneRange(n_lanes, n_lanes)
    together = run(network, lanes, tasks)
    for task, many in zip(tasks, together, strict=True):
        assert torch.equal(run(network, lanes, [task])[0], many)


def test_the_order_of_a_batch_does_not_matter() -> None:
    sizes = KINDS["master-logistics"]
    network, tasks, lanes = plain(sizes), several_tasks(sizes), LaneRange(3, 3)
    forward, backward = run(network, lanes, tasks), run(network, lanes, tasks[::-1])
    for one, other in zip(forward, backward[::-1], strict=True):
        assert torch.equal(one, other)


def test_ranks_close_when_fewer_than_half_of_the_lanes_run() -> None:
    sizes = KINDS["2092a64-logistics"]
    network, made = plain(sizes), []

    class Counted(BlockedEngine):
        def condition(self, rows: torch.Tensor) -> None:
            made.append(self.lanes)
            super().condition(rows)

        def narrowed(self, kept: Sequence[int], lanes: int) -> BlockedEngine:
            fewer = super().narrowed(kept, lanes)
            fewer.__class__ = Counted
            return fewer

    lengths = [32] * 4 + [96] * 2 + [160] * 2
    tasks = [Task(random_mel(sizes, 8, seed=n), length, n) for n, length in enumerate(lengths)]
    with torch.inference_mode():
        generate_codes(
            partial(Counted, fuse(network)),
            LaneRange(2, 8),
            network.upsampler,
            output_of(network.config),
            tasks,
        )
    assert made == [8, 8, 8, 2, 2] or made == [8, 4, 4, 2, 2]
    assert made[0] == 8
    assert made[-1] == 2


def test_nothing_to_generate() -> None:
    assert run(plain(KINDS["2092a64-logistics"]), LaneRange(2, 4), []) == []


def test_seeds_make_samples_and_equal_seeds_equal_ones() -> None:
    sizes = KINDS["2092a64-logistics"]
    mel = random_mel(sizes, 4)
    one, same, other = run(
        plain(sizes), LaneRange(2, 4), [Task(mel, 90, 1), Task(mel, 90, 1), Task(mel, 90, 2)]
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_lanes_stay_fixed_where_rows_are_not_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    matrices = [torch.ones(16, 8), torch.ones(8, 16)]
    exact = torch.addmm
    assert lane_range(matrices, 6).most == 6

    def clumsy(start: torch.Tensor, rows: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        return exact(start, rows, matrix) + (1e-7 if len(rows) == 5 else 0)

    monkeypatch.setattr(torch, "addmm", clumsy)
    assert lane_range(matrices, 4) == LaneRange(2, 4)
    assert lane_range(matrices, 6) == LaneRange(6, 6)
    assert lane_range([torch.ones(4, 4, device="meta")], 6) == LaneRange(6, 6)


@pytest.mark.parametrize("weights", ["int16", "int8"])
@pytest.mark.parametrize("kind", KINDS)
def test_narrow_weights_compute_the_rounded_network(kind: str, weights: str) -> None:
    """The loops over integers are exact: what differs from float32 is the rounding of weights."""
    network = plain(KINDS[kind])
    codes = some_codes(network)
    engine = engine_of(network, "numba", weights)  # rounds the network in place
    stepped, rounded = teacher_forced(engine, network, codes)
    torch.testing.assert_close(stepped, rounded, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("weights", "least_db"), [("int16", 75), ("int8", 28)])
def test_the_error_of_narrow_weights_is_bounded(weights: str, least_db: float) -> None:
    """Against the part of each output that varies, as teacher forcing shows it."""
    kinds = {"int16": torch.int16, "int8": torch.int8}
    for sizes in KINDS.values():
        network, rounded = plain(sizes), plain(sizes)
        quantise_network(rounded, kinds[weights])
        codes = some_codes(network)
        _, exact = teacher_forced(OfficialEngine(network, 1), network, codes)
        _, coarse = teacher_forced(OfficialEngine(rounded, 1), rounded, codes)
        ratio = exact.var(0).sum() / (coarse - exact).var(0).sum()
        assert 10 * torch.log10(ratio) > least_db


def test_rounded_rows_are_within_half_a_step() -> None:
    matrix = torch.randn(3, 20, 16, generator=torch.Generator().manual_seed(0))
    matrix[0, 0] = 0
    for kind in (torch.int8, torch.int16):
        integers, scales = quantise_rows(matrix, kind)
        assert integers.dtype == kind
        assert integers[1].abs().amax(dim=1).tolist() == [torch.iinfo(kind).max] * 20
        error = (integers * scales[..., None] - matrix).abs()
        assert bool((error <= 0.501 * scales[..., None]).all())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["numba", "blocked"])
def test_a_chunk_is_made_of_steps_and_draws(kind: str, name: str) -> None:
    """The loops draw as `vocoders.wavenet_output` does, from the same numbers."""
    network = plain(KINDS[kind])
    output = output_of(network.config)
    chunk, stepwise = engine_of(network, name), engine_of(network, name)
    source = torch.Generator().manual_seed(3)
    codes = torch.full((chunk.lanes,), output.first_code, dtype=output.code_dtype)
    again = codes
    with torch.inference_mode():
        for engine in (chunk, stepwise):
            for lane in range(engine.lanes):
                engine.restart(lane)
        for _ in range(3):
            rows = torch.rand(CHUNK, chunk.lanes, network.config.n_mels, generator=source)
            draws = [output.draw(CHUNK, source) for _ in range(chunk.lanes)]
            prepared = torch.stack([output.prepare(one) for one in draws], dim=1)
            for engine in (chunk, stepwise):
                engine.condition(rows)
            made = chunk.generate_chunk(codes, prepared, output)
            codes = made[:, -1]
            for position in range(CHUNK):
                again = output.sample(stepwise.step(position, again), prepared[position])
                torch.testing.assert_close(made[:, position], again, atol=2e-6, rtol=0)
    assert len(torch.unique(made)) > CHUNK / 4  # the draws are heard


def test_engines_say_what_they_read() -> None:
    """Of one utterance: blocks of past taps share a reading, narrow weights take fewer bytes."""
    network = WaveNet(preset("ljspeech_mixture"))
    per_layer = {"newest": 512 * 512, "condition": 80 * 512, "skip": 256 * 256}
    always = 24 * sum(per_layer.values()) + 23 * 512 * 256 + 512 + 256 * 256 + 256 * 30
    plain_bytes = 4 * (always + 24 * 2 * 512 * 512 - 31 / 32 * 24 * 80 * 512)
    rings = BlockedEngine(fuse(network), 1, longest_block=1).bytes_per_sample()
    assert rings == pytest.approx(plain_bytes, rel=1e-9)
    shares = sum(1 / min(2 * d, 32) + 1 / d for d in (1, 2, 4, 8, 16, 32))
    blocked = BlockedEngine(fuse(network), 1).bytes_per_sample()
    assert rings - blocked == pytest.approx(4 * 4 * (12 - shares) * 512 * 512, rel=1e-9)
    pytest.importorskip("numba")
    kinds = {"int8": torch.int8, "float32": torch.float32}
    narrow, wide = (NumbaEngine(fuse(network), kinds[kind]) for kind in kinds)
    # The first layer is a table: one newest tap and its two past taps less.
    assert blocked - wide.bytes_per_sample() == pytest.approx(2.5 * 2**20, rel=0.02)
    assert narrow.bytes_per_sample() < 0.35 * wide.bytes_per_sample()


def test_numba_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    wavenet_kernels.compiled.cache_clear()
    try:
        with pytest.raises(Unavailable, match="pip install numba"):
            make_engines(plain(KINDS["2092a64-logistics"]), EngineChoice("numba"))
    finally:
        wavenet_kernels.compiled.cache_clear()


def test_choices_that_do_not_work_are_refused() -> None:
    cpu = torch.device("cpu")
    with pytest.raises(ConfigError, match="0 lanes"):
        EngineChoice(lanes=0).require_device(cpu)
    with pytest.raises(ConfigError, match="weights=int8 with engine=blocked"):
        EngineChoice(weights="int8").require_device(cpu)
    with pytest.raises(ConfigError, match="engine=numba on device 'cuda'"):
        EngineChoice("numba").require_device(torch.device("cuda"))


def test_engines_without_lanes_to_spare_say_so() -> None:
    engine = OfficialEngine(plain(KINDS["2092a64-logistics"]), 1)
    with pytest.raises(ValueError, match="fixed number of lanes"):
        engine.narrowed([0], 1)
