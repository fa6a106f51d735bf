"""WaveNet as a system: contract, published checkpoints, seeds, audio before and after."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import reference_wavenet as reference  # noqa: E402
from small_wavenet import KINDS  # noqa: E402

from evalsuite.conformance import check_vocoder, conformance_wave  # noqa: E402
from evalsuite.errors import (  # noqa: E402
    CheckpointError,
    ConfigError,
    FeatureMismatch,
    Unavailable,
)
from evalsuite.mel import extract_mel, mel_spec  # noqa: E402
from evalsuite.registry import BUILT_IN, BuiltIn, Setup  # noqa: E402
from evalsuite.types import Features, Waveform  # noqa: E402
from vocoders.checkpoints import import_weights  # noqa: E402
from vocoders.tensor_names import to_official_names  # noqa: E402
from vocoders.wavenet import WaveNetVocoder  # noqa: E402
from vocoders.wavenet_audio import HighPassedMelSpec, finish, high_pass, spec_of  # noqa: E402
from vocoders.wavenet_config import PRESETS, config_of_card  # noqa: E402
from vocoders.wavenet_lanes import Task  # noqa: E402
from vocoders.wavenet_layouts import recognise  # noqa: E402
from vocoders.wavenet_network import WaveNet  # noqa: E402

#: As published, but narrow: 80 bands and a hop of 256, which the mel convention has.
OLD = replace(KINDS["2092a64-logistics"], n_mels=80, scales=(4, 4, 4, 4))
MASTER = replace(OLD, old=False)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Products of this size wait longer for a second thread than they take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    line = BuiltIn("vocoders.wavenet:WaveNetVocoder", "", "neural", needs_weights=True)
    monkeypatch.setitem(BUILT_IN, "wavenet", line)  # type: ignore[arg-type]


@pytest.fixture
def short() -> Waveform:
    """Voiced, as short as master's framing allows, and no multiple of a hop."""
    whole = conformance_wave()
    return Waveform(whole.samples[4000:4801].copy(), whole.sample_rate, "short")


def untrained(**options: object) -> WaveNetVocoder:
    return WaveNetVocoder.create(Setup(untrained=True), **({"preset": "tiny"} | options))  # type: ignore[arg-type]


def checkpoint(folder: Path, sizes: reference.Sizes, **settings: object) -> tuple[Path, Path]:
    """Write a checkpoint as the training script of the release saves it, and its hparams."""
    content = {
        "state_dict": reference.random_state(sizes, 0),
        "optimizer": {"state": {}, "param_groups": [{"lr": 1e-3}]},
        "global_step": 400_000,
        "global_epoch": 60,
    }
    torch.save(content, folder / "step000400000_ema.pth")
    hparams = {"layers": sizes.n_layers, "stacks": sizes.n_stacks, "fmin": 125, "fmax": 7600}
    (folder / "hparams.json").write_text(json.dumps(hparams | settings))
    return folder / "step000400000_ema.pth", folder / "hparams.json"


def imported(folder: Path, sizes: reference.Sizes, **options: object) -> WaveNetVocoder:
    path, config = checkpoint(folder, sizes)
    import_weights(
        path, "wavenet", folder / "w", config=config, statistics=_statistics(folder, sizes)
    )
    return WaveNetVocoder.create(Setup(argument=str(folder / "w")), **options)  # type: ignore[arg-type]


def _statistics(folder: Path, sizes: reference.Sizes) -> Path | None:
    if sizes.old:
        return None
    np.save(folder / "stats.npy", np.stack([np.linspace(-3, -1, 80), np.linspace(0.5, 1, 80)]))
    return folder / "stats.npy"


@pytest.mark.parametrize(
    "options",
    [{}, {"engine": "numba", "weights": "int8"}],
    ids=str,
)
def test_contract(options: dict[str, object], short: Waveform) -> None:
    if options.get("engine") == "numba":
        pytest.importorskip("numba")
    wave = Waveform(short.samples[:301], 22050, "short")
    results = check_vocoder(untrained(**options), wave=wave)
    assert [result for result in results if not result.passed] == []


def test_contract_with_statistics_and_high_pass(tmp_path: Path, short: Waveform) -> None:
    results = check_vocoder(imported(tmp_path, MASTER), wave=short)
    assert [result for result in results if not result.passed] == []


def test_facts_of_the_paper_s_network() -> None:
    system = WaveNetVocoder.create(Setup(untrained=True), lanes=1)
    info, work = system.info, system.workload()
    assert (info.n_parameters, info.n_parameters_with_weight_norm) == (24_693_586, 24_737_396)
    assert (info.start_offset, info.deterministic, info.trained) == (768, False, False)
    assert info.spec.digest == mel_spec("wavenet").digest
    assert info.config["engine"] == "blocked"
    per_layer = 512 * 512 * 3 + 80 * 512 + 256 * 512 + 256 * 256
    assert work.multiply_adds_per_sample == 24 * per_layer + 512 + 256 * 256 + 256 * 30
    assert work.weights_read_per_sample
    # Past taps are read once a block.
    assert work.bytes_per_step == pytest.approx(56.4e6, rel=0.01)
    assert work.weight_bytes == pytest.approx(98.6e6, rel=0.01)


def test_a_number_of_lanes_that_shapes_the_sound_is_part_of_its_identity() -> None:
    assert "lanes" not in untrained(lanes=4).info.config
    assert untrained(lanes=1).info.config["lanes"] == 1


def test_random_weights_need_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALSUITE_WEIGHTS", str(tmp_path))
    with pytest.raises(Unavailable, match="--untrained"):
        WaveNetVocoder.create(Setup())


def test_from_a_published_checkpoint_to_samples(tmp_path: Path) -> None:
    """Through container, import, folder and engine, against the reference's own free run."""
    system = imported(tmp_path, OLD)
    assert system.info.trained
    mel = torch.rand(80, 2, generator=torch.Generator().manual_seed(2))
    draws = torch.rand(400, 3, generator=torch.Generator().manual_seed(3)) * 0.98 + 0.01
    ours = system.generate_tasks([Task(mel, 400, seed=0, draws=draws)])[0]
    state = reference.random_state(OLD, 0)
    theirs = reference.generate_logistic(state, OLD, mel.numpy(), draws.numpy())
    assert theirs.std() > 0.02
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("sizes", KINDS.values(), ids=list(KINDS))
def test_the_revision_and_all_sizes_are_read_from_the_tensors(sizes: reference.Sizes) -> None:
    state = reference.random_state(sizes, 0)
    found = recognise(state, {"stacks": sizes.n_stacks})
    config = config_of_card(found.settings)
    assert config.revision == ("2092a64" if sizes.old else "master")
    assert (config.out_channels, config.in_channels) == (sizes.n_out, sizes.n_in)
    assert list(config.dilations) == sizes.dilations
    assert config.upsample_scales == sizes.scales
    assert (config.least_log_scale is not None) == sizes.old
    assert found.needs_statistics != sizes.old
    assert found.mel == ("wavenet" if sizes.old else "wavenet_master")


def test_published_presets_are_recognised_without_a_configuration() -> None:
    for name in ("ljspeech_mixture", "mol", "gaussian", "mulaw256"):
        with torch.device("meta"):
            state = to_official_names(WaveNet(PRESETS[name]).state_dict())
        assert config_of_card(recognise(state, {}).settings) == PRESETS[name]


def test_what_no_tensor_shows_must_be_said() -> None:
    state = reference.random_state(KINDS["2092a64-logistics"], 0)
    with pytest.raises(CheckpointError, match=r"4 layers in an unknown number of stacks.*--config"):
        recognise(state, {})
    with pytest.raises(CheckpointError, match="4 layers in 3 stacks"):
        recognise(state, {"stacks": 3})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stacks": 2, "layers": 24}, r"layers 24 \(the tensors have 4\)"),
        ({"stacks": 2, "kernel_size": 2}, "kernel_size 2"),
        ({"stacks": 2, "fmin": 0}, "fmin 0"),
        ({"stacks": 2, "sample_rate": 24000}, "sample_rate 24000"),
    ],
)
def test_a_configuration_of_another_network_is_refused(
    settings: dict[str, int], message: str
) -> None:
    state = reference.random_state(KINDS["2092a64-logistics"], 0)
    with pytest.raises(CheckpointError, match=message):
        recognise(state, settings)


def test_other_networks_are_not_recognised() -> None:
    with pytest.raises(CheckpointError, match="no known layout of 'wavenet'"):
        recognise({"model.1.weight_v": torch.zeros(1)}, {})
    both = reference.random_state(OLD, 0) | reference.random_state(MASTER, 0)
    with pytest.raises(CheckpointError, match="no known layout"):
        recognise(both, {"stacks": 2})
    odd = reference.random_state(replace(KINDS["2092a64-logistics"], n_out=7), 0)
    with pytest.raises(CheckpointError, match="hears 1 channels and predicts 7"):
        recognise(odd, {"stacks": 2})


def test_master_cannot_do_without_its_statistics(tmp_path: Path) -> None:
    path, config = checkpoint(tmp_path, MASTER)
    with pytest.raises(CheckpointError, match="--stats"):
        import_weights(path, "wavenet", tmp_path / "w", config=config)


def test_master_hears_the_normalised_mel_and_its_audio_is_finished(
    tmp_path: Path, short: Waveform
) -> None:
    system = imported(tmp_path, MASTER)
    features = system.analyse(short)
    mean, scale = np.load(tmp_path / "stats.npy")
    heard = (features.values - mean[:, None]) / scale[:, None]
    raw = system.generate_tasks([Task(torch.from_numpy(heard).float(), 801, seed=5)])[0]
    audio = system.generate([features], seed=5)[0].samples
    wanted = finish(raw.numpy(), "master")
    np.testing.assert_allclose(audio, wanted, atol=1e-4)


def test_trained_weights_bring_their_own_architecture(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="preset=mol with trained weights"):
        imported(tmp_path, OLD, preset="mol")


def test_each_utterance_can_have_its_own_seed(short: Waveform) -> None:
    system = untrained()
    features = system.analyse(short)
    other = replace(features, id="other")
    one, two = (
        wave
        for _, wave in sorted(
            system.generate_many([features, other], [3, 4]), key=lambda item: item[0]
        )
    )
    assert (one.id, two.id) == ("short", "other")
    assert one.samples.tobytes() == system.generate([features], seed=3)[0].samples.tobytes()
    assert two.samples.tobytes() == system.generate([other], seed=4)[0].samples.tobytes()
    assert one.samples.tobytes() != two.samples.tobytes()


def test_engines_make_the_same_audio(short: Waveform) -> None:
    features = untrained().analyse(Waveform(short.samples[:100], 22050))
    made = {
        engine: untrained(engine=engine).generate([features], seed=1)[0].samples
        for engine in ("official", "eager", "rings", "blocked")
    }
    assert made["official"].std() > 0.02
    for samples in made.values():
        np.testing.assert_allclose(samples, made["eager"], atol=1e-5)


def test_foreign_features_are_refused(short: Waveform) -> None:
    foreign = extract_mel(short, mel_spec("melgan"))
    with pytest.raises(FeatureMismatch, match="melgan"):
        untrained().generate([foreign], seed=0)


def test_the_output_ends_where_the_recording_ends(short: Waveform) -> None:
    system = untrained()
    made = system.generate([system.analyse(short)], seed=0)[0]
    assert len(made.samples) == 768 + 801
    assert np.abs(made.samples).max() <= 1


def test_a_single_frame_is_enough() -> None:
    system = untrained()
    features = system.analyse(Waveform(np.full(1, 0.1, np.float32), 22050, "u"))
    assert isinstance(features, Features)
    assert np.isfinite(system.generate([features], seed=0)[0].samples).all()


def test_one_network_without_norm_synthesises_alone() -> None:
    system = untrained()
    mel = torch.rand(80, 3, generator=torch.Generator().manual_seed(0))
    audio = system.synthesise(mel, seed=2)
    assert audio.shape == (768,)
    assert torch.equal(audio, system.synthesise(mel, seed=2))


def tone(frequency_hz: float, n_samples: int = 22050) -> Waveform:
    time_s = np.arange(n_samples) / 22050
    return Waveform((0.5 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32), 22050)


def test_the_high_pass_removes_rumble_and_delays_nothing() -> None:
    spec = spec_of("master")
    assert isinstance(spec, HighPassedMelSpec)
    middle = slice(500, -500)
    for frequency_hz in (300.0, 1000.0, 8000.0):
        wave = tone(frequency_hz)
        np.testing.assert_allclose(
            high_pass(wave, spec).samples[middle], wave.samples[middle], atol=0.004
        )
    edge = high_pass(tone(70.0), spec).samples[middle]
    assert np.abs(edge).max() == pytest.approx(0.25, abs=0.1)
    assert np.abs(high_pass(tone(5.0), spec).samples[middle]).max() < 0.16


def test_high_passed_mels_are_a_convention_of_their_own() -> None:
    spec, plain = spec_of("master"), mel_spec("wavenet_master")
    assert spec.digest != plain.digest
    assert replace(spec, high_pass_hz=50.0).digest != spec.digest  # type: ignore[call-arg]
    assert spec_of("2092a64") is mel_spec("wavenet")


def test_finishing_undoes_gain_and_preemphasis() -> None:
    """Sample by sample, as master's training audio was made."""
    wave = 0.4 * np.random.default_rng(0).uniform(-1, 1, 400)
    heard = [0.55 * (x - 0.85 * before) for x, before in zip(wave, [0, *wave[:-1]], strict=True)]
    made = finish(np.array(heard, np.float32), "master")
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, wave, atol=1e-6)


def test_finishing_never_clips() -> None:
    loud = finish(np.full(100, 0.9, np.float32), "master")
    assert np.abs(loud).max() == pytest.approx(1)
    assert loud[0] / loud[-1] == pytest.approx((1 - 0.85) / (1 - 0.85**100), rel=1e-4)
    same = np.linspace(-1, 1, 9, dtype=np.float32)
    assert finish(same, "2092a64").tolist() == same.tolist()


def test_the_scale_of_the_cards_survives() -> None:
    for config in PRESETS.values():
        assert config_of_card(config.as_card()) == config
    least = PRESETS["ljspeech_mixture"].as_card()["least_log_scale"]
    assert math.exp(float(least)) == pytest.approx(1e-14)
    with pytest.raises(CheckpointError, match="n_heads"):
        config_of_card(PRESETS["mol"].as_card() | {"n_heads": 2})
