"""ClariNet checkpoints: two files of one system, and random weights."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import official_clarinet  # noqa: E402

from evalsuite.errors import CheckpointError  # noqa: E402
from evalsuite.registry import Setup  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402
from vocoders import checkpoints  # noqa: E402
from vocoders.clarinet import ClariNet  # noqa: E402
from vocoders.clarinet_network import ClariNetConfig, ClariNetNetwork, GaussianConfig  # noqa: E402
from vocoders.clarinet_weights import (  # noqa: E402
    CHECKPOINT,
    TEACHER_CHECKPOINT,
    card_settings,
    config_from_card,
    random_clarinet,
)
from vocoders.tensor_names import to_official_names  # noqa: E402


def published(*, teacher: bool = True, student: bool = True) -> dict[str, torch.Tensor]:
    shapes: dict[str, tuple[int, ...]] = {}
    if teacher:
        shapes |= official_clarinet.net_shapes(official_clarinet.TEACHER, 80)
        shapes |= official_clarinet.upsampler_shapes((16, 16))
    if student:
        for flow in range(6):
            of_flow = official_clarinet.net_shapes(official_clarinet.FLOW, 80)
            shapes |= {f"iafs.{flow}.{name}": shape for name, shape in of_flow.items()}
    return {name: torch.zeros(shape) for name, shape in shapes.items()}


def test_both_files_together_are_the_system() -> None:
    state = published()
    found = CHECKPOINT.recognised(state, {})
    assert (found.mel, config_from_card(found.settings)) == ("clarinet", ClariNetConfig())
    wanted = {n: t.shape for n, t in to_official_names(found.network.state_dict()).items()}
    assert {name: tensor.shape for name, tensor in found.tensors.items()} == wanted
    assert {id(t) for t in found.tensors.values()} == {id(t) for t in state.values()}


def test_from_two_checkpoint_files_to_audio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within 1e-5 of numpy in double precision."""
    monkeypatch.setattr(checkpoints, "find_layout", lambda name: CHECKPOINT)
    shapes = {name: tuple(tensor.shape) for name, tensor in published().items()}
    state = official_clarinet.random_tensors(shapes, seed=0)
    for part in ("student", "teacher"):
        tensors = {n: t for n, t in state.items() if n.startswith("iafs.") == (part == "student")}
        torch.save({"state_dict": tensors, "global_step": 1}, tmp_path / f"{part}.pth")
    checkpoints.import_weights(
        tmp_path / "student.pth",
        "clarinet",
        tmp_path / "lj",
        further=[tmp_path / "teacher.pth"],
    )
    system = ClariNet.create(Setup(argument=str(tmp_path / "lj")), temperature=0.1)
    wave = np.random.default_rng(0).normal(0, 0.1, 600).astype(np.float32)
    features = system.analyse(Waveform(wave, 22050, "noise"))
    made = system.generate([features], seed=3)[0].samples
    noise = torch.randn(768, generator=torch.Generator().manual_seed(3)).double().numpy()
    condition = official_clarinet.upsample(state, features.values.astype(float), (16, 16))
    expected = official_clarinet.student(state, official_clarinet.FLOW, 6, 0.1 * noise, condition)[
        0
    ]
    expected /= max(1, np.abs(expected).max())
    assert expected.std() > 0.01
    np.testing.assert_allclose(made, expected, atol=1e-5)


@pytest.mark.parametrize("alone", ["teacher", "student"])
def test_one_file_alone_is_refused_with_the_reason(alone: str) -> None:
    state = published(teacher=alone == "teacher", student=alone == "student")
    with pytest.raises(CheckpointError, match="student runs on the teacher's upsampler"):
        CHECKPOINT.recognised(state, {})


def test_the_teacher_alone_is_a_system_of_its_own() -> None:
    state = published(student=False)
    found = TEACHER_CHECKPOINT.recognised(state, {})
    wanted = {n: t.shape for n, t in to_official_names(found.network.state_dict()).items()}
    assert {name: tensor.shape for name, tensor in found.tensors.items()} == wanted
    with pytest.raises(CheckpointError, match="clarinet_teacher"):
        TEACHER_CHECKPOINT.recognised(published(teacher=False), {})


def test_settings_survive_the_card() -> None:
    config = ClariNetConfig(
        n_mels=7, ratios=(4, 8), flow=GaussianConfig(1, 3), n_flows=2, weight_norm=False
    )
    assert config_from_card(card_settings(config)) == config


def test_random_weights_repeat_and_reach_every_tensor() -> None:
    little = GaussianConfig(1, 2, 4, 6, 2, 5)
    config = ClariNetConfig(n_mels=4, ratios=(4, 2), teacher=little, flow=little)
    torch.manual_seed(1)
    first = random_clarinet(config, seed=0).state_dict()
    torch.manual_seed(2)
    again, other = random_clarinet(config, seed=0), random_clarinet(config, seed=1).state_dict()
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, first[name]), name
        if "upsample" not in name:
            assert not torch.equal(tensor, other[name]), name


def test_random_upsampling_interpolates() -> None:
    """A constant stays constant, away from the ends."""
    network: ClariNetNetwork = random_clarinet(seed=0)
    spread = network.teacher.upsample_conv(torch.full((1, 1, 80, 6), 0.7))
    assert spread.shape == (1, 1, 80, 6 * 256)
    torch.testing.assert_close(spread[..., 512:-512], torch.full((1, 1, 80, 512), 0.7))
