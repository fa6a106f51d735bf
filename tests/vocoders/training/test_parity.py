"""A MelGAN step equals an independent one in double precision, and each option does what it says.

Every update is compared on its own: the reference starts from the weights and Adam moments that
the one under test started from. Adam's first step is a sign, so rounding would grow otherwise.
"""

import dataclasses
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import official_discriminator  # noqa: E402
import official_melgan  # noqa: E402
import reference_step  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from reference_step import Moments, Options  # noqa: E402
from torch import nn  # noqa: E402

from evalsuite.errors import CheckpointError  # noqa: E402
from evalsuite.mel import extract_mel  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402
from vocoders.checkpoints import to_official_names  # noqa: E402
from vocoders.layers import set_weight  # noqa: E402
from vocoders.melgan_generator import randomise  # noqa: E402
from vocoders.training.config import load_config  # noqa: E402
from vocoders.training.melgan_step import MelganStep, initialise  # noqa: E402

# The release's structure in small: four residual stages, three scales of seven layers.
SMALL = (
    "generator.base_channels=4",
    "discriminator.base_channels=8",
    "discriminator.max_channels=64",
    "data.segment_samples=2048",
    "data.batch_size=2",
    "optimiser.learning_rate=0.005",
)
RELEASE = Options(learning_rate=0.005)
CPU = torch.device("cpu")


def make_step(*overrides: str, seed: int = 0) -> MelganStep:
    config, kind = load_config("melgan", [*SMALL, *overrides])
    torch.manual_seed(seed)
    step = kind.build(config, CPU)
    assert isinstance(step, MelganStep)
    return step


def convolutions(network: nn.Module) -> list[Any]:
    return [m for m in network.modules() if isinstance(m, nn.Conv1d | nn.ConvTranspose1d)]


def audible(step: MelganStep) -> MelganStep:
    """Fresh weights are almost silent and never leave the hinge's margin: errors would hide."""
    randomise(step.generator, seed=1)
    source = torch.Generator().manual_seed(2)
    for layer in convolutions(step.discriminator):
        fan_in = layer.weight.shape[1] * layer.weight.shape[2]
        set_weight(layer, 2 * fan_in**-0.5 * torch.randn(layer.weight.shape, generator=source))
    return step


def batch(seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    time_s = np.arange(2048) / 22050
    tones = np.sin(2 * np.pi * random.uniform(100, 900, (2, 1, 1)) * time_s)
    return torch.tensor(0.3 * tones + random.normal(0, 0.05, tones.shape), dtype=torch.float32)


def mel_of(audio: torch.Tensor) -> torch.Tensor:
    """By numpy, without the scaling to a peak, which belongs to whole recordings."""
    config, _ = load_config("melgan")
    spec = dataclasses.replace(config.mel_spec, input_peak=None)
    rows = [extract_mel(Waveform(x[0].numpy(), 22050, "u"), spec).values for x in audio]
    return torch.tensor(np.stack(rows)).double()


def run(step: MelganStep, audio: torch.Tensor) -> dict[str, float]:
    return step.run(audio, torch.Generator().manual_seed(0))


def weights_of(step: MelganStep) -> dict[str, dict[str, torch.Tensor]]:
    networks = step.modules()
    return {
        name: {n: t.clone() for n, t in to_official_names(network.state_dict()).items()}
        for name, network in networks.items()
    }


def moments_of(step: MelganStep) -> dict[str, Moments]:
    """Adam's state under official names; empty before the first step."""
    found = {}
    for name, network in step.modules().items():
        state = step.optimisers()[name].state
        named = [(n, state[p]) for n, p in network.named_parameters() if p in state]
        first = to_official_names({n: s["exp_avg"].double() for n, s in named})
        second = to_official_names({n: s["exp_avg_sq"].double() for n, s in named})
        found[name] = Moments(
            int(named[0][1]["step"]) if named else 0,
            {n: t.numpy().copy() for n, t in first.items()},
            {n: t.numpy().copy() for n, t in second.items()},
        )
    return found


def rms(x: NDArray[np.float64]) -> float:
    return float(np.sqrt((x**2).mean()))


def largest_differences(
    step: MelganStep, audio: torch.Tensor, options: Options
) -> tuple[dict[str, float], dict[str, float]]:
    """Do one step and the reference's.

    Returns
    -------
    Differences of losses, relative to them if they are over 1; and for each network the largest
    of its tensors' differences in Euclidean norm: of the gradient (Adam's first moment, relative
    to itself) and of the update (in learning rates, where the gradient is clear of rounding).
    """
    before, moments = weights_of(step), moments_of(step)
    losses = run(step, audio)
    after, given = weights_of(step), moments_of(step)
    mel, real = mel_of(audio), audio.double()
    g, d = before["generator"], before["discriminator"]
    new_d, of_d = reference_step.discriminator_step(
        g, d, moments["discriminator"], mel, real, options
    )
    opponents = (d, after["discriminator"])
    new_g, of_g = reference_step.generator_step(
        g, opponents, moments["generator"], mel, real, options
    )
    wanted = {"generator": new_g, "discriminator": new_d}
    of_losses = {
        name: abs(losses[name] - value) / max(abs(value), 1)
        for name, value in (of_d | of_g).items()
    }
    found = {}
    for network in ("generator", "discriminator"):
        gradient, update = 0.0, 0.0
        overall = max(rms(first) for first in moments[network].first.values())
        for name, first in moments[network].first.items():
            # A bias under the hinge can have a gradient of exactly 0.
            size = max(rms(first), 1e-4 * overall)
            gradient = max(gradient, rms(given[network].first[name] - first) / size)
            clear = np.abs(first) > 1e-2 * size
            ours = (after[network][name] - before[network][name]).double().numpy()
            theirs = (wanted[network][name] - before[network][name].double()).numpy()
            if clear.any():
                update = max(update, rms((ours - theirs)[clear]) / options.learning_rate)
        found |= {f"{network} gradients": gradient, f"{network} update": update}
    return of_losses, found


@pytest.mark.parametrize(
    ("overrides", "options"),
    [
        ((), RELEASE),
        (
            ("losses.feature_matching_scale=paper",),
            dataclasses.replace(RELEASE, feature_matching=10.0),
        ),
        (
            ("losses.stale_real_features=false",),
            dataclasses.replace(RELEASE, stale_real_features=False),
        ),
        (("losses.audio_l1=100.0",), dataclasses.replace(RELEASE, audio_l1=100.0)),
        (("generator.weight_norm=false", "discriminator.weight_norm=false"), RELEASE),
        (
            ("discriminator.window_based=false",),
            dataclasses.replace(RELEASE, window_based=False),
        ),
        (
            ("discriminator.n_scales=1",),
            dataclasses.replace(RELEASE, n_scales=1, feature_matching=8.0),
        ),
    ],
    ids=["release", "paper_scale", "fresh_real", "audio_l1", "no_norm", "no_window", "one_scale"],
)
def test_two_steps_equal_the_reference(overrides: tuple[str, ...], options: Options) -> None:
    step = audible(make_step(*overrides))
    for number in range(2):
        of_losses, found = largest_differences(step, batch(number), options)
        assert max(of_losses.values()) < 1e-5, of_losses
        # Usually 1e-5; 1e-2 if rounding moves one difference of features over 0, whose sign is
        # the gradient.
        assert max(found.values()) < 3e-2, found


@pytest.mark.parametrize(
    "wrong",
    [
        {"stale_real_features": False},
        {"generator_sees_old_discriminator": True},
        {"feature_matching": 10.0},
        {"betas": (0.9, 0.999)},
    ],
    ids=["fresh_real_features", "old_discriminator", "paper_scale", "betas"],
)
def test_the_comparison_tells_another_order_or_setting(wrong: dict[str, Any]) -> None:
    """The same comparison fails by far when the reference does one thing differently."""
    step = audible(make_step())
    options = dataclasses.replace(RELEASE, **wrong)
    largest_differences(step, batch(0), RELEASE)
    of_losses, found = largest_differences(step, batch(1), options)
    # A thousand times what is allowed above for a loss, or ten times for an update.
    assert max(of_losses.values()) > 1e-2 or max(found.values()) > 0.3


def losses_with(*overrides: str) -> tuple[dict[str, float], dict[str, dict[str, torch.Tensor]]]:
    step = audible(make_step(*overrides))
    return run(step, batch()), weights_of(step)


def same_discriminator(
    a: dict[str, dict[str, torch.Tensor]], b: dict[str, dict[str, torch.Tensor]]
) -> bool:
    return all(torch.equal(t, b["discriminator"][n]) for n, t in a["discriminator"].items())


def test_the_paper_s_scale_multiplies_feature_matching_alone() -> None:
    release, weights = losses_with()
    paper, others = losses_with("losses.feature_matching_scale=paper")
    name = "generator/feature_matching"
    assert paper[name] == pytest.approx(3.75 * release[name], rel=1e-6)
    for same in ("discriminator/hinge", "generator/adversarial"):
        assert paper[same] == release[same]
    assert same_discriminator(weights, others)
    assert paper["generator/total"] - release["generator/total"] == pytest.approx(
        2.75 * release[name], rel=1e-5
    )


def test_fresh_real_features_change_feature_matching_alone() -> None:
    stale, weights = losses_with()
    fresh, others = losses_with("losses.stale_real_features=false")
    name = "generator/feature_matching"
    assert abs(fresh[name] / stale[name] - 1) > 1e-3
    for same in ("discriminator/hinge", "generator/adversarial"):
        assert fresh[same] == stale[same]
    assert same_discriminator(weights, others)


def test_audio_l1_adds_one_term() -> None:
    without, weights = losses_with()
    with_l1, others = losses_with("losses.audio_l1=100.0")
    step = audible(make_step())
    with torch.inference_mode():
        fake = step.generator(mel_of(batch()).float())
    term = 100 * float((fake - batch()).abs().mean())
    assert with_l1.pop("generator/audio_l1") == pytest.approx(term, rel=1e-4)
    for changed in ("generator/total", "generator/gradient_norm"):
        assert with_l1.pop(changed) > without.pop(changed)
    assert with_l1 == without
    assert same_discriminator(weights, others)


def test_without_feature_matching_the_term_is_gone() -> None:
    losses, _ = losses_with("losses.feature_matching=0.0")
    assert "generator/feature_matching" not in losses
    assert losses["generator/total"] == pytest.approx(losses["generator/adversarial"], rel=1e-6)


def test_the_release_s_initialisation_has_no_effect_under_weight_norm() -> None:
    release, untouched = (
        make_step(f"initialisation={how}", seed=3).modules() for how in ("release", "torch")
    )
    for name, network in release.items():
        other = untouched[name].state_dict()
        assert all(torch.equal(t, other[n]) for n, t in network.state_dict().items())


@pytest.mark.parametrize(
    "overrides",
    [
        ("initialisation=normal",),
        ("generator.weight_norm=false", "discriminator.weight_norm=false"),
    ],
    ids=["normal", "release_without_weight_norm"],
)
def test_normal_initial_weights(overrides: tuple[str, ...]) -> None:
    """N(0, 0.02) for effective weights, torch's uniform bounds for biases."""
    for network in make_step(*overrides).modules().values():
        layers = convolutions(network)
        drawn = torch.cat([layer.weight.detach().flatten() for layer in layers])
        assert float(drawn.mean()) == pytest.approx(0, abs=1e-3)
        assert float(drawn.std()) == pytest.approx(0.02, rel=0.02)
        # A normal density; 5 % lie beyond 1.96 deviations.
        assert float((drawn.abs() > 0.0392).float().mean()) == pytest.approx(0.05, abs=0.005)
        for layer in layers:
            taps = layer.weight.shape[1] * layer.weight.shape[2]
            assert 0 < float(layer.bias.detach().abs().max()) <= taps**-0.5


def test_torch_s_initialisation_is_far_from_normal() -> None:
    layers = convolutions(make_step("initialisation=torch").generator)
    widths = {float(layer.weight.detach().std()) for layer in layers}
    assert max(widths) > 5 * min(widths)


def test_initialise_draws_from_the_global_generator() -> None:
    layers = [nn.Conv1d(2, 3, 5) for _ in range(2)]
    for layer in layers:
        torch.manual_seed(4)
        initialise(layer, "normal")
    torch.testing.assert_close(layers[0].weight, layers[1].weight)


def official_states() -> dict[str, dict[str, torch.Tensor]]:
    """As ``netG.pt`` and ``netD.pt`` hold them."""
    return {
        "generator": official_melgan.random_state(0),
        "discriminator": official_discriminator.random_state(1),
    }


def official_shapes() -> dict[str, dict[str, tuple[int, ...]]]:
    generator: dict[str, tuple[int, ...]] = {}
    for layer, shape in official_melgan.layer_shapes().items():
        transposed = layer.count(".") == 1 and int(layer[6:]) in official_melgan.TRANSPOSED
        generator[f"{layer}.weight_v"] = shape
        generator[f"{layer}.weight_g"] = (shape[0], 1, 1)
        generator[f"{layer}.bias"] = (shape[1] if transposed else shape[0],)
    return {"generator": generator, "discriminator": official_discriminator.shapes()}


def test_official_checkpoints_load_and_ours_have_their_layout(tmp_path: Path) -> None:
    states = official_states()
    overrides = []
    for network, state in states.items():
        # The release's files are of torch's format of 2019.
        path = tmp_path / f"{network}.pt"
        torch.save(OrderedDict(state), path, _use_new_zipfile_serialization=False)
        overrides.append(f"start.{network}={path}")
    config, kind = load_config("melgan", overrides)
    saved = kind.build(config, CPU).state_dict()["networks"]
    for network, shapes in official_shapes().items():
        assert {n: tuple(t.shape) for n, t in saved[network].items()} == shapes
        assert all(torch.equal(saved[network][n], t) for n, t in states[network].items())
    assert (len(saved["generator"]), len(saved["discriminator"])) == (126, 63)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save(official_discriminator.random_state(1), tmp_path / "netD.pt")
    with pytest.raises(CheckpointError, match=r"netD\.pt does not fit"):
        make_step(f"start.generator={tmp_path / 'netD.pt'}")
