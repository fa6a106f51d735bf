"""A vocoder of three tensors, in three layouts, for tests of the import."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vocoders.layers import with_weight_norm
from vocoders.layouts import CheckpointLayout, Recognised, not_recognised
from vocoders.tensor_names import has_weight_norm, rename_tensors


class Tiny(nn.Module):
    def __init__(self, *, weight_norm: bool = True) -> None:
        super().__init__()
        self.conv = with_weight_norm(nn.Conv1d(2, 3, 3), enabled=weight_norm)


def recognise(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
    with torch.device("meta"):
        network = Tiny(weight_norm=has_weight_norm(tensors))
    facts = {"n_layers": settings.get("n_layers", 1)}
    if "conv.bias" in tensors:
        return Recognised(tensors, network, facts, "melgan")
    if "net.0.bias" in tensors:
        own = rename_tensors(tensors, [(r"net\.0\.(.+)", r"conv.\1")])
        step = own.pop("step", None)
        ignored = {} if step is None else {"step": "counts the training"}
        return Recognised(own, network, facts, "pwg", "other", {}, ignored, needs_statistics=True)
    if "low.bias" in tensors:
        own = {
            name: torch.cat([tensors[f"low.{part}"], tensors[f"high.{part}"]])
            for part in ("bias", "weight_g", "weight_v")
            for name in [f"conv.{part}"]
        }
        derived = {f"conv.{p}": (f"low.{p}", f"high.{p}") for p in ("bias", "weight_g", "weight_v")}
        return Recognised(own, network, facts, "melgan", "old", derived)
    raise not_recognised("tiny", tensors, known="the layouts of this file")


CHECKPOINT = CheckpointLayout("tiny", recognise=recognise)


def random_state(seed: int = 0) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    shapes = {"conv.bias": (3,), "conv.weight_g": (3, 1, 1), "conv.weight_v": (3, 2, 3)}
    return {name: torch.randn(shape, generator=source) for name, shape in shapes.items()}
