"""WaveNet checkpoints of odd shapes: each is named, none breaks the reading of sizes."""

import math

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from evalsuite.errors import CheckpointError  # noqa: E402
from vocoders.tensor_names import to_official_names  # noqa: E402
from vocoders.wavenet_config import PRESETS  # noqa: E402
from vocoders.wavenet_layouts import recognise  # noqa: E402
from vocoders.wavenet_network import WaveNet  # noqa: E402


def state(preset: str) -> dict[str, Tensor]:
    with torch.device("meta"):
        return to_official_names(WaveNet(PRESETS[preset]).state_dict())


@pytest.mark.parametrize("shape", [(), (3,), (4, 4), (4, 4, 3, 3, 3), (4, 0, 3), (1, 1, 3, 0)])
@pytest.mark.parametrize(
    ("preset", "name"),
    [
        ("ljspeech_mixture", "conv_layers.0.conv.weight_v"),
        ("ljspeech_mixture", "last_conv_layers.3.weight_v"),
        ("ljspeech_mixture", "first_conv.weight_v"),
        ("ljspeech_mixture", "conv_layers.0.conv1x1c.weight_v"),
        ("ljspeech_mixture", "upsample_conv.2.weight_v"),
        ("mol", "upsample_net.upsample.up_layers.3.weight_v"),
    ],
)
def test_tensors_of_odd_rank_are_named(preset: str, name: str, shape: tuple[int, ...]) -> None:
    tensors = state(preset)
    assert name in tensors
    tensors[name] = torch.empty(shape, device="meta")
    with pytest.raises(CheckpointError, match=r"has shape .* dimensions") as error:
        recognise(tensors, {})
    assert error.value.got == f"{name} has shape {shape}"


@pytest.mark.parametrize(("given", "kept"), [(-7, -7.0), (-32.2, -32.2), (None, math.log(1e-14))])
def test_the_bound_of_the_scales_is_kept(given: float | None, kept: float) -> None:
    found = recognise(state("ljspeech_mixture"), {"log_scale_min": given})
    assert found.settings["least_log_scale"] == pytest.approx(kept)
