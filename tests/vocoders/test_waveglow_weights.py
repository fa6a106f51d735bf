"""WaveGlow checkpoints of all ages, and random weights that hide nothing."""

import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import official_waveglow  # noqa: E402
from official_waveglow import TINY, Sizes  # noqa: E402

from evalsuite.errors import CheckpointError  # noqa: E402
from evalsuite.registry import Setup  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402
from vocoders import checkpoints  # noqa: E402
from vocoders.tensor_accounts import require_every_tensor  # noqa: E402
from vocoders.tensor_names import to_official_names  # noqa: E402
from vocoders.waveglow import WaveGlow  # noqa: E402
from vocoders.waveglow_network import WaveGlowConfig, WaveGlowNetwork  # noqa: E402
from vocoders.waveglow_synthesis import draw_noise  # noqa: E402
from vocoders.waveglow_weights import (  # noqa: E402
    CHECKPOINT,
    config_from_card,
    merged_names,
    random_network,
    to_own_names,
)

#: The published size in all but the couplings' width, which is read from the tensors.
NARROW = Sizes(channels=4)


@pytest.mark.parametrize(
    ("sizes", "layout"),
    [
        (NARROW, ""),
        (replace(NARROW, old=True), "NVIDIA glow_old.py"),
        (replace(NARROW, old=True, oldest=True), "NVIDIA glow_old.py"),
    ],
    ids=["today", "old", "oldest"],
)
def test_every_age_is_recognised_and_every_tensor_accounted_for(sizes: Sizes, layout: str) -> None:
    state = official_waveglow.random_state(sizes, seed=0)
    found = CHECKPOINT.recognised(state, {})
    assert (found.layout, found.mel) == (layout, "waveglow")
    config = config_from_card(found.settings)
    assert config == WaveGlowConfig(channels=4, alternate_halves=sizes.old)
    wanted = {n: t.shape for n, t in to_official_names(found.network.state_dict()).items()}
    assert {name: tensor.shape for name, tensor in found.tensors.items()} == wanted
    assert all(tensor.is_meta for tensor in found.network.state_dict().values())
    passed_on = {name for name, tensor in state.items() if found.tensors.get(name) is tensor}
    merged = {source for sources in found.derived.values() for source in sources}
    assert passed_on | merged | set(found.ignored) == set(state)
    assert all("7" in name and "res_layers" in name for name in found.ignored)
    assert bool(found.ignored) == sizes.oldest


@pytest.mark.parametrize("old", [False, True])
def test_from_a_checkpoint_file_to_audio(
    old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within 1e-3 of numpy in double precision, as twelve inversions allow."""
    monkeypatch.setattr(checkpoints, "find_layout", lambda name: CHECKPOINT)
    sizes = replace(NARROW, old=old)
    state = official_waveglow.random_state(sizes, seed=1)
    torch.save({"state_dict": state}, tmp_path / "waveglow.pt")
    card = checkpoints.import_weights(tmp_path / "waveglow.pt", "waveglow", tmp_path / "lj")
    assert card.layout.startswith("NVIDIA" if old else "weight_g")
    system = WaveGlow.create(Setup(argument=str(tmp_path / "lj")), sigma=0.5)
    assert system.info.trained
    noise = np.random.default_rng(0).normal(0, 0.1, 600).astype(np.float32)
    features = system.analyse(Waveform(noise, 22050, "noise"))
    made = system.generate([features], seed=3)[0].samples
    parts = [0.5 * part.double().numpy() for part in draw_noise(system.inversion.config, 96, 3)]
    expected = official_waveglow.infer(state, sizes, features.values.astype(float), parts)
    expected /= max(1, np.abs(expected).max())
    assert expected.std() > 0.05
    np.testing.assert_allclose(made, expected, atol=1e-4)


def test_plain_weights_stay_plain() -> None:
    network = WaveGlowNetwork(WaveGlowConfig(channels=4, weight_norm=False))
    found = CHECKPOINT.recognised(network.state_dict(), {})
    assert found.settings["weight_norm"] is False
    assert set(found.tensors) == set(found.network.state_dict())


def test_today_s_tensors_pass_through_untouched() -> None:
    state = official_waveglow.random_state(TINY, seed=0)
    own = to_own_names(state)
    assert own.keys() == state.keys()
    assert all(own[name] is state[name] for name in state)
    assert merged_names(state) == {}


def test_layers_are_stacked_in_order_and_sources_stay() -> None:
    state = official_waveglow.random_state(replace(TINY, old=True, oldest=True), seed=0)
    before = {name: tensor.clone() for name, tensor in state.items()}
    own = to_own_names(state)
    conditions = [state[f"WN.1.cond_layers.{i}.weight_v"] for i in range(3)]
    assert torch.equal(own["WN.1.cond_layer.weight_v"], torch.cat(conditions))
    both = torch.cat([state["WN.0.res_layers.0.bias"], state["WN.0.skip_layers.0.bias"]])
    assert torch.equal(own["WN.0.res_skip_layers.0.bias"], both)
    assert torch.equal(own["WN.0.res_skip_layers.2.bias"], state["WN.0.skip_layers.2.bias"])
    assert all(torch.equal(state[name], before[name]) for name in before)


def test_missing_parts_of_an_old_layout_are_listed() -> None:
    state = official_waveglow.random_state(replace(TINY, old=True, oldest=True), seed=0)
    del state["WN.3.res_layers.1.bias"]
    with pytest.raises(CheckpointError, match=r"missing WN\.3\.res_layers\.1\.bias"):
        CHECKPOINT.recognised(state, {})


@pytest.mark.parametrize("shape", [(), (16, 1)])
def test_a_bias_of_odd_rank_is_listed(shape: tuple[int, ...]) -> None:
    state = {"WN.0.cond_layer.bias": torch.zeros(4096), "WN.0.start.bias": torch.zeros(shape)}
    found = CHECKPOINT.recognised(state, {})
    with pytest.raises(CheckpointError, match=re.escape(f"start.bias has shape {shape} instead")):
        require_every_tensor("w.pt", state, found)


def test_another_network_is_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match=r"'model\.1\.bias'.*no known layout of 'waveglow'"):
        CHECKPOINT.recognised({"model.1.bias": torch.zeros(1)}, {})


def test_settings_survive_the_card() -> None:
    config = WaveGlowConfig(n_mels=8, channels=16, alternate_halves=True, weight_norm=False)
    assert config_from_card(asdict(config)) == config


def test_random_weights_repeat_and_reach_every_tensor() -> None:
    config = WaveGlowConfig(n_mels=4, hop_length=16, upsample_kernel=32, n_layers=2, channels=8)
    torch.manual_seed(1)
    first = random_network(config, seed=0).state_dict()
    torch.manual_seed(2)
    again, other = random_network(config, seed=0), random_network(config, seed=1).state_dict()
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, first[name]), name
        assert not torch.equal(tensor, other[name]), name
    assert all(coupling.end.weight.std() > 0.01 for coupling in again.WN)
