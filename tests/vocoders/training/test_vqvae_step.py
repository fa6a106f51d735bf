"""Training of the VQ-VAE: the loss falls, the codebook lives, resuming is exact."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from typer.testing import CliRunner  # noqa: E402

from evalsuite.cli import app  # noqa: E402
from evalsuite.errors import ConfigError, TrainingError  # noqa: E402
from evalsuite.gate.check import check_run  # noqa: E402
from evalsuite.manifest import read_manifest  # noqa: E402
from evalsuite.metrics.measure import measure_run  # noqa: E402
from evalsuite.metrics.registry import make_metric  # noqa: E402
from vocoders.melgan_generator import randomise  # noqa: E402
from vocoders.training.config import load_config  # noqa: E402
from vocoders.training.data import Recordings  # noqa: E402
from vocoders.training.limits import Limits  # noqa: E402
from vocoders.training.melgan_step import MELGAN  # noqa: E402
from vocoders.training.state_tree import flatten  # noqa: E402
from vocoders.training.step import STEP_KINDS, find_step_kind  # noqa: E402
from vocoders.training.trainer import train  # noqa: E402
from vocoders.training.vqvae_step import VQVAE_KIND, VqvaeStep  # noqa: E402

CPU = torch.device("cpu")
SMALLER = ("model.n_residual_layers=1", "model.n_local=8", "model.ratios=[4,4,4]")


def make_step(*overrides: str, seed: int = 0) -> VqvaeStep:
    config, kind = load_config("vqvae_tiny", [*SMALLER, *overrides])
    assert kind is VQVAE_KIND
    torch.manual_seed(seed)
    step = kind.build(config, CPU)
    assert isinstance(step, VqvaeStep)
    return step


def notes(number: int, *, batch: int = 4) -> torch.Tensor:
    """Crops out of a corpus of harmonic tones of four pitches, with breath."""
    random = np.random.default_rng(number)
    time_s = np.arange(2048) / 22050
    pitch_hz = random.choice([220, 330, 440, 660], (batch, 1, 1))
    phase = random.uniform(0, 2 * np.pi, (batch, 1, 1))
    tones = sum(np.sin(k * (2 * np.pi * pitch_hz * time_s + phase)) / k for k in range(1, 6))
    audio = 0.2 * tones + random.normal(0, 0.01, tones.shape)
    return torch.tensor(audio, dtype=torch.float32)


def run(step: VqvaeStep, number: int) -> dict[str, float]:
    return step.run(notes(number), torch.Generator().manual_seed(number))


def audible(step: VqvaeStep) -> VqvaeStep:
    """Codes of the size of a log-mel, and a decoder that hears them."""
    randomise(step.model.decoder, seed=0)
    step.model.quantizer.codebook *= 100
    step.model.quantizer.cluster_sum *= 100
    return step


def tensors(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {"/".join(path): t.clone() for path, t in flatten(state)[1].items()}


def test_it_is_found_by_name() -> None:
    assert find_step_kind("vqvae") is VQVAE_KIND
    assert find_step_kind("melgan") is MELGAN
    assert set(STEP_KINDS) >= {"melgan", "vqvae"}
    assert VQVAE_KIND.export is None


def test_the_loss_falls_and_the_codebook_is_in_use() -> None:
    """On tones, in some dozen steps; the spectral distance, since an opponent only grows."""
    step = make_step("optimiser.learning_rate=0.003")
    found = [run(step, number) for number in range(30)]
    assert all(np.isfinite([*losses.values()]).all() for losses in found)
    first, last = (
        np.mean([losses["generator/log_mel_l1"] for losses in part])
        for part in (found[:3], found[-5:])
    )
    assert last < 0.8 * first
    assert np.mean([losses["vqvae/perplexity"] for losses in found[-5:]]) > 4
    assert found[-1]["skipped_updates"] == 0


def test_resuming_is_exact() -> None:
    """By way of a checkpoint file, into a step with other weights and another past."""
    unbroken = make_step()
    for number in range(2):
        run(unbroken, number)
    file = io.BytesIO()
    torch.save(unbroken.state_dict(), file)
    file.seek(0)
    resumed = make_step(seed=9)
    run(resumed, 77)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for number in (2, 3):
        assert run(resumed, number) == run(unbroken, number)
    ours, theirs = tensors(resumed.state_dict()), tensors(unbroken.state_dict())
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(t, theirs[name]) for name, t in ours.items())
    assert {"networks/vqvae/quantizer.codebook", "networks/vqvae/quantizer.cluster_size"} <= set(
        ours
    )


def test_all_randomness_comes_from_the_given_generator() -> None:
    losses = []
    for global_seed, seed in ((1, 0), (2, 0), (2, 5)):
        step = make_step()
        torch.manual_seed(global_seed)
        step.run(notes(0), torch.Generator().manual_seed(seed))
        losses.append(step.run(notes(1), torch.Generator().manual_seed(seed)))
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_one_step_moves_every_part() -> None:
    step = make_step()
    before = tensors(step.state_dict()["networks"])
    run(step, 0)
    after = tensors(step.state_dict()["networks"])
    parts = ("vqvae/local_encoder", "vqvae/global_encoder", "vqvae/quantizer", "vqvae/decoder",
             "discriminator/model")  # fmt: skip
    for part in parts:
        moved = [not torch.equal(before[n], after[n]) for n in before if n.startswith(part)]
        assert sum(moved) > len(moved) / 2


def test_the_discriminator_s_update_is_not_the_generator_s() -> None:
    """The second pass leaves it no gradients, whatever the weights of the generator's losses."""
    states = []
    for weight in ("10", "1000"):
        step = make_step(f"losses.feature_matching={weight}.0")
        run(step, 0)
        states.append(tensors(step.state_dict()["networks"]["discriminator"]))
        assert all(p.requires_grad for p in step.discriminator.parameters())
    assert all(torch.equal(t, states[1][name]) for name, t in states[0].items())


@pytest.mark.parametrize("floor", [0.0, 1e6])
def test_the_divergence_is_not_pushed_below_its_floor(floor: float) -> None:
    """Above the floor the term pulls on the global encoder; below it is constant."""
    gradients = []
    for weight in (0.0, 1000.0):
        step = make_step(
            f"losses.divergence_floor={floor}",
            f"losses.divergence={weight}",
        )
        losses = run(step, 0)
        nats = losses["vqvae/divergence_nats"]
        assert 0 < nats < 1e6
        wanted = weight * max(nats, floor)
        assert losses["vqvae/divergence"] == pytest.approx(wanted, rel=1e-5)
        moments = step.optimisers()["vqvae"].state[step.model.global_encoder.output.weight]
        gradients.append(moments["exp_avg"].clone())
    assert torch.equal(*gradients) == (floor > 0)


def test_the_commitment_is_part_of_the_total() -> None:
    losses = run(make_step(), 0)
    terms = [
        value
        for name, value in losses.items()
        if name.startswith(("generator/", "vqvae/"))
        and not name.endswith(("total", "norm", "perplexity", "nats"))
    ]
    assert len(terms) == 6
    assert losses["vqvae/commitment"] > 0
    assert sum(terms) == pytest.approx(losses["generator/total"], rel=1e-6)


def test_without_bottlenecks_their_terms_are_gone() -> None:
    step = make_step("model.quantizer=null", "model.n_global=0")
    losses = run(step, 0)
    assert not [name for name in losses if name.startswith("vqvae/")]
    assert losses["generator/total"] == pytest.approx(
        sum(
            losses[f"generator/{n}"]
            for n in ("adversarial", "feature_matching", "log_mel_l1", "stft")
        )
    )


def test_a_learnt_codebook_is_trained_by_its_optimiser() -> None:
    step = make_step("model.quantizer.update=loss", "model.quantizer.restart_below=null")
    before = step.model.quantizer.codebook.detach().clone()
    run(step, 0)
    moved = (step.model.quantizer.codebook.detach() != before).any(dim=1)
    assert 0 < int(moved.sum()) < 32  # those that were chosen
    assert id(step.model.quantizer.codebook) in {id(p) for p in step.model.parameters()}


@pytest.mark.parametrize("n_samples", [1, 63, 1000, 2500])
def test_validation_keeps_length_and_state(n_samples: int) -> None:
    step = make_step()
    run(step, 0)
    before = tensors(step.state_dict())
    recording = notes(0, batch=1).repeat(1, 1, 2)[..., :n_samples]
    made = step.validate_output(recording)
    assert made.shape == recording.shape
    assert made.dtype == torch.float32
    assert torch.equal(step.validate_output(recording), made)
    assert all(torch.equal(t, before[name]) for name, t in tensors(step.state_dict()).items())
    assert step.model.training


def test_bfloat16_stays_near_float32() -> None:
    single, half = audible(make_step()), audible(make_step("run.precision=bfloat16"))
    for number in range(2):
        exact, rounded = run(single, number), run(half, number)
        for name in ("discriminator/hinge", "generator/log_mel_l1", "generator/stft"):
            assert rounded[name] == pytest.approx(exact[name], rel=0.05)
        assert rounded != exact
    assert all(t.dtype == torch.float32 for t in half.model.state_dict().values())
    assert half.validate_output(notes(0, batch=1)).dtype == torch.float32


def test_a_batch_with_nan_changes_no_weight_and_no_code() -> None:
    step = make_step("optimiser.max_skipped_in_a_row=3")
    run(step, 0)
    before = tensors(step.state_dict()["networks"])
    bad = notes(1)
    bad[0, 0, 100] = float("nan")
    losses = step.run(bad, torch.Generator().manual_seed(1))
    assert losses["skipped_updates"] == 2
    after = tensors(step.state_dict()["networks"])
    assert all(torch.equal(t, after[name]) for name, t in before.items())
    with pytest.raises(TrainingError, match="3 updates in a row"):
        for number in range(2):
            step.run(bad, torch.Generator().manual_seed(number))


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("data.segment_samples=2000", "segment_samples"),
        ("data.segment_samples=1024", "segment_samples"),
        ("model.n_codes=3", "unknown key 'model.n_codes'"),
        ("model.quantizer.n_channels=3", "unknown key"),
        ("model.join=sum", "sum of 16 code channels and a global latent of 8"),
        ("model.quantizer.decay=1.5", "decay 1.5"),
        ("losses.kl=1", "unknown key 'losses.kl'"),
    ],
)
def test_wrong_settings_are_named(override: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load_config("vqvae_tiny", [override])


def test_the_trainer_resumes_it_exactly(
    tmp_path: Path,
    corpus: Path,
    cache: Path,
    losses: Callable[[Path], dict[tuple[int, str], float]],
) -> None:
    config, kind = load_config("vqvae_tiny", [*SMALLER, "run.log_interval=1"])
    recordings = Recordings(corpus, synthetic_speech=True)
    for out, stops in (("unbroken", (4,)), ("resumed", (2, 4))):
        for stop in stops:
            result = train(
                config, kind, recordings, tmp_path / out, limits=Limits(stop), cache=cache
            )
    assert result.n_steps_now == 2
    assert losses(tmp_path / "resumed") == losses(tmp_path / "unbroken")
    assert np.isfinite(result.validation["log_mel_l1"])
    assert result.weights is None
    assert not (tmp_path / "resumed" / "weights").exists()


def test_its_reconstructions_are_a_run_that_the_suite_evaluates(
    tmp_path: Path, corpus: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a model that adds a soft tone to its recordings, so that what must come out is known."""

    def with_tone(_: VqvaeStep, batch: torch.Tensor) -> torch.Tensor:
        return 0.25 * batch + 0.002 * torch.sin(torch.arange(batch.shape[-1]))

    monkeypatch.setattr(VqvaeStep, "validate_output", with_tone)
    config, kind = load_config("vqvae_tiny", SMALLER)
    recordings = Recordings(corpus, synthetic_speech=True)
    for n_steps in (1, 2):
        result = train(config, kind, recordings, tmp_path, limits=Limits(n_steps), cache=cache)

    assert result.samples == tmp_path / "samples"
    (finished,) = (tmp_path / "reconstructions").iterdir()  # those of step 1 are gone
    assert finished.name == "vqvae_tiny_step_2"
    manifest = read_manifest(result.samples)
    assert [system.label for system in manifest.systems] == ["original", "vqvae_tiny"]
    assert "vqvae_tiny_step_2" in manifest.systems[1].source
    assert manifest.synthetic_speech
    held_out = json.loads((tmp_path / "training.json").read_text())["split"]["valid"]
    assert sorted(one.id for one in manifest.utterances) == held_out
    assert {path.stem for path in finished.iterdir()} == set(held_out)
    assert check_run(result.samples).passed
    measured, _ = measure_run(result.samples, [make_metric("log_mel_l1")])
    assert len(measured) == 2
    assert all(0 < one.value < 0.1 for one in measured)  # levelled, it is the recording again
    study = CliRunner().invoke(
        app, ["study", "new", str(result.samples), "-o", str(tmp_path / "study.yaml")]
    )
    assert study.exit_code == 0, study.output
