"""Single parts of the trainer: guarded updates, checkpoints, log, limits, mels, export."""

import dataclasses
import math
import random
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from evalsuite.audio import read_wave
from evalsuite.errors import ConfigError, TrainingError, Unavailable
from evalsuite.mel import extract_mel, mel_spec
from evalsuite.registry import create_vocoder, parse_system
from evalsuite.types import Waveform
from vocoders.training import validation
from vocoders.training.audio_losses import AudioLosses
from vocoders.training.audio_store import open_audio
from vocoders.training.catalogue import list_configs
from vocoders.training.checkpoint import Checkpoints, random_state, restore_random_state
from vocoders.training.config import load_config
from vocoders.training.limits import Limits, StopReason, StopRequest, listen_for_stop
from vocoders.training.log import Mean, TrainingLog
from vocoders.training.loop import step_seed
from vocoders.training.mel import MelTransform
from vocoders.training.melgan_step import MelganStep
from vocoders.training.update import GradientUpdate

CPU = torch.device("cpu")


def tiny_step(*overrides: str) -> MelganStep:
    torch.manual_seed(0)
    return MelganStep(load_config("melgan_tiny", overrides)[0], CPU)


def audio(seed: int = 0, n_samples: int = 4096) -> torch.Tensor:
    return 0.1 * torch.randn(2, 1, n_samples, generator=torch.Generator().manual_seed(seed))


# Guarded updates


def test_update_that_is_not_finite_changes_nothing() -> None:
    layer = nn.Linear(3, 1)
    update = GradientUpdate(torch.optim.Adam(layer.parameters()), max_skipped_in_a_row=3)
    update(layer(torch.ones(1, 3)).sum())
    weights = layer.weight.detach().clone()
    moments = {k: v.clone() for k, v in update.state_dict()["optimiser"]["state"][0].items()}

    norm = update(layer(torch.full((1, 3), math.nan)).sum())

    assert math.isnan(norm)
    assert update.n_skipped == 1
    torch.testing.assert_close(layer.weight, weights, rtol=0, atol=0)
    for name, value in update.state_dict()["optimiser"]["state"][0].items():
        torch.testing.assert_close(value, moments[name], rtol=0, atol=0)


def test_skipping_ends_after_so_many_in_a_row() -> None:
    layer = nn.Linear(3, 1)
    update = GradientUpdate(torch.optim.Adam(layer.parameters()), max_skipped_in_a_row=3)
    bad, good = torch.full((1, 3), math.inf), torch.ones(1, 3)
    for batch in (bad, bad, good, bad, bad):  # a good one begins the count anew
        update(layer(batch).sum())
    with pytest.raises(TrainingError, match="3 updates in a row"):
        update(layer(bad).sum())


def test_gradient_norm_is_limited_and_reported_before_the_limit() -> None:
    layer = nn.Linear(2, 1, bias=False)
    update = GradientUpdate(torch.optim.SGD(layer.parameters(), lr=1.0), max_norm=0.5)
    before = layer.weight.detach().clone()
    assert update(layer(torch.tensor([[3.0, 4.0]])).sum()) == pytest.approx(5.0)
    assert (before - layer.weight).norm().item() == pytest.approx(0.5)


def test_a_bad_batch_is_survived() -> None:
    step = tiny_step()
    generator = torch.Generator()
    step.run(audio(), generator)
    before = {k: v.clone() for k, v in step.generator.state_dict().items()}
    broken = audio(1)
    broken[0, 0, 100] = math.nan

    losses = step.run(broken, generator)

    assert losses["skipped_updates"] == 2
    assert math.isnan(losses["generator/total"])
    for name, value in step.generator.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert math.isfinite(step.run(audio(2), generator)["generator/total"])


@pytest.mark.parametrize("flags", [(), ("warm_up.steps=5",)], ids=["adversarial", "warm-up"])
def test_losses_hear_float32_audio_also_in_bfloat16(
    flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = tiny_step("run.precision=bfloat16", "losses.log_mel_l1=1", *flags)
    heard: list[torch.Tensor] = []
    compare = AudioLosses.__call__

    def listen(
        self: AudioLosses, fake: torch.Tensor, *others: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        heard.append(fake.detach())
        return compare(self, fake, *others)

    monkeypatch.setattr(AudioLosses, "__call__", listen)
    losses = step.run(audio(), torch.Generator())
    assert math.isfinite(losses["generator/total"])
    (fake,) = heard
    assert fake.dtype == torch.float32
    assert (fake.bfloat16().float() != fake).float().mean() > 0.9


# Checkpoints


def test_only_the_newest_checkpoints_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    for n in (1, 20, 300):
        checkpoints.save(n, {"value": torch.tensor(n)})
    assert [path.name for path in checkpoints.paths()] == [
        "step_000000020.pt",
        "step_000000300.pt",
    ]
    content, damaged = checkpoints.load_newest()
    assert content is not None
    assert (content["n_steps"], int(content["value"]), damaged) == (300, 300, [])


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").load_newest() == (None, [])


def test_checkpoint_with_code_is_never_run(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {})
    torch.save({"format": 1, "n_steps": 2, "code": Path("x")}, tmp_path / "step_000000002.pt")
    content, damaged = checkpoints.load_newest()
    assert content is not None
    assert content["n_steps"] == 1
    assert len(damaged) == 1


def test_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {})
    (tmp_path / ".step_000000002-abc.tmp.pt").write_bytes(b"half")
    checkpoints.remove_leftovers()
    assert [path.name for path in tmp_path.iterdir()] == ["step_000000001.pt"]


def test_random_state_survives_a_checkpoint(tmp_path: Path) -> None:
    def draw() -> list[float]:
        return [torch.rand(1).item(), float(np.random.rand()), random.random()]

    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"random": random_state(CPU)})
    expected = draw()
    content, _ = checkpoints.load_newest()
    assert content is not None
    restore_random_state(content["random"], CPU)
    assert draw() == expected


def test_every_step_and_process_draws_anew() -> None:
    seeds = {step_seed(seed, n, rank) for seed in (0, 1) for n in range(50) for rank in range(4)}
    assert len(seeds) == 400
    assert max(seeds) < 2**63


# Log and limits


def test_log_drops_what_a_dead_process_wrote_after_its_checkpoint(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, n_steps=0)
    for step in (1, 2, 3):
        log.write(step, "train", {"loss": step / 3})
    with (tmp_path / "log.csv").open("a") as stream:
        stream.write("4,train,lo")  # torn
    TrainingLog(tmp_path, n_steps=2).write(3, "valid", {"pesq_wb": math.nan})
    assert (tmp_path / "log.csv").read_text().splitlines() == [
        "step,part,name,value",
        "1,train,loss,0.333333333",
        "2,train,loss,0.666666667",
        "3,valid,pesq_wb,nan",
    ]


def test_means_go_on_from_a_state() -> None:
    mean = Mean()
    mean.add({"a": 1.0})
    other = Mean()
    other.load_state_dict(mean.state_dict())
    other.add({"a": 2.0, "b": 5.0})
    assert other.look() == {"a": 1.5, "b": 5.0}
    assert other.take() == {"a": 1.5, "b": 5.0}
    assert other.look() == {}


def test_limits_say_why() -> None:
    request = StopRequest()
    assert Limits(5).reason(4, request) is StopReason.GOING_ON
    assert Limits(5).reason(5, request) is StopReason.STEPS
    assert Limits(5, minutes=0).reason(0, request) is StopReason.MINUTES
    request.is_set = True
    assert Limits(5).reason(5, request) is StopReason.SIGNAL
    assert Limits(100).time_left_s(50, 2.0) == pytest.approx(25)
    assert Limits(100, minutes=0.1).time_left_s(50, 2.0) <= 6


def test_sigterm_is_heard() -> None:
    with listen_for_stop() as request:
        signal.raise_signal(signal.SIGTERM)
        assert request.is_set


# Mels


@pytest.mark.parametrize("name", ["melgan", "hifigan", "tacotron2"])
def test_mels_equal_those_of_the_suite(name: str, corpus: Path) -> None:
    spec = dataclasses.replace(mel_spec(name), input_peak=None)
    wave = read_wave(corpus / "clip3.wav")
    n = len(wave.samples) // spec.hop_length * spec.hop_length
    wave = Waveform(wave.samples[:n], wave.sample_rate)
    ours = MelTransform(spec)(torch.from_numpy(wave.samples)[None, None])[0]
    expected = extract_mel(wave, spec).values
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-4)


def test_gradient_of_silence_is_finite() -> None:
    silence = torch.zeros(1, 1, 4096, requires_grad=True)
    MelTransform(mel_spec("melgan"))(silence).sum().backward()
    assert silence.grad is not None
    assert bool(silence.grad.isfinite().all())


def test_conventions_that_training_cannot_make_are_refused() -> None:
    with pytest.raises(ConfigError, match="framing"):
        MelTransform(dataclasses.replace(mel_spec("melgan"), framing="lws"))


# Export, validation, catalogue


@pytest.mark.parametrize("norm", ["weight", "spectral", "none"])
def test_exported_weights_speak_as_in_training(tmp_path: Path, norm: str) -> None:
    from vocoders.training.export import export_generator

    flags = [
        f"generator.{kind}_norm={str(kind == norm).lower()}" for kind in ("weight", "spectral")
    ]
    step = tiny_step(*flags)
    for seed in range(3):
        step.run(audio(seed), torch.Generator())
    config = load_config("melgan_tiny", flags)[0]
    system = export_generator(step.generator, config, tmp_path / "w", n_steps=3)

    vocoder = create_vocoder(parse_system(system))
    wave = Waveform((0.95 * audio(5)[0, 0] / audio(5)[0].abs().max()).numpy(), 22050)
    spoken = vocoder.generate([vocoder.analyse(wave)], seed=0)[0].samples
    expected = step.validate_output(torch.from_numpy(wave.samples)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(spoken[: len(expected)], expected, atol=1e-5)
    assert "3 steps" in vocoder.info.source
    assert vocoder.info.trained


def test_validation_says_why_a_metric_is_missing(
    corpus: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Echo:
        """A step whose output is its input."""

        def validate_output(self, batch: torch.Tensor) -> torch.Tensor:
            return batch

    class NoPesq:
        name = "pesq_wb"

        def compare(self, **_: object) -> object:
            raise Unavailable("no pesq", wanted="pesq", do="install it")

    make = validation.make_metric
    monkeypatch.setattr(
        validation, "make_metric", lambda name: NoPesq() if name == "pesq_wb" else make(name)
    )
    store = open_audio(corpus, cache, sample_rate=22050, peak=0.95)
    said: list[str] = []
    values = validation.validate(Echo(), store, [0, 1], CPU, say=said.append)
    assert values["log_mel_l1"] == 0
    assert values["m_stft"] == 0
    assert math.isnan(values["pesq_wb"])
    assert [line for line in said if "no pesq" in line] == said != []


def test_parameter_counts_are_those_of_the_paper() -> None:
    names = ["melgan", "no_dilations", "no_weight_norm", "single_discriminator"]
    sizes = {one.name: one for one in list_configs(names)}
    for name in ("melgan", "no_dilations", "single_discriminator"):
        assert sizes[name].as_trained["generator"] == 4_266_050
        assert sizes[name].folded["generator"] == 4_260_257
    assert sizes["no_weight_norm"].as_trained["generator"] == 4_260_257
    assert sizes["melgan"].folded["discriminator"] == 3 * 5_637_953
    assert sizes["single_discriminator"].folded["discriminator"] == 5_637_953
