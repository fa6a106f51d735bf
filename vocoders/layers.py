"""What the networks share: weight and spectral norm, parameter counts, devices."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from evalsuite.errors import ConfigError, Unavailable

__all__ = [
    "NormKind",
    "choose_device",
    "choose_norm",
    "count_parameters",
    "remove_weight_norm",
    "set_weight",
    "with_norm",
    "with_weight_norm",
]

NormKind = Literal["weight", "spectral", "none"]


def choose_norm(*, weight_norm: bool, spectral_norm: bool) -> NormKind:
    """Name the norm of a network's layers.

    Raises
    ------
    ConfigError if both are asked for: spectral norm stands in weight norm's place.
    """
    if weight_norm and spectral_norm:
        raise ConfigError(
            "weight_norm and spectral_norm are both true",
            wanted="at most one of them: both set the length of the same weights",
            do="set weight_norm: false beside spectral_norm: true",
        )
    if spectral_norm:
        return "spectral"
    return "weight" if weight_norm else "none"


def with_norm(layer: nn.Module, kind: NormKind) -> nn.Module:
    """Give a layer's weight this norm.

    Spectral norm divides the weight by its largest singular value, estimated by one power
    iteration per training step (Miyato et al. 2018, algorithm 1); it adds buffers, no parameters.
    """
    if kind == "spectral":
        return spectral_norm(layer)
    return with_weight_norm(layer, enabled=kind == "weight")


def with_weight_norm(layer: nn.Module, *, enabled: bool = True) -> nn.Module:
    """Split a layer's weight into length and direction, ``w = g v / |v|`` per first dimension.

    Source: Salimans and Kingma 2016, eq. (2).
    """
    return weight_norm(layer) if enabled else layer


def remove_weight_norm(network: nn.Module) -> None:
    """Fold weight norm or spectral norm into plain weights, in place. The output stays.

    Put the network into evaluation mode before: in training, spectral norm changes at every use.
    """
    for layer in network.modules():
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")


def set_weight(layer: nn.Conv1d | nn.ConvTranspose1d, weight: Tensor) -> None:
    """Give a layer this weight, through its weight norm if it has one."""
    with torch.no_grad():
        if parametrize.is_parametrized(layer, "weight"):
            layer.weight = weight  # torch solves for g and v
        else:
            layer.weight.copy_(weight)


def count_parameters(network: nn.Module) -> int:
    """Count the trainable numbers of a network as it is now, with or without weight norm."""
    return sum(parameter.numel() for parameter in network.parameters())


def choose_device(name: str) -> torch.device:
    """Find a device by name; ``auto`` is the GPU if there is one.

    Raises
    ------
    ConfigError if the name means nothing, Unavailable if there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(
            f"there is no device {name!r}", wanted="cpu, cuda, cuda:N or auto", do="correct it"
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Unavailable(
            f"device {name!r} is not here ({torch.cuda.device_count()} CUDA devices)",
            wanted="a CUDA device that torch can see",
            do="use --device cpu or auto, or install the CUDA build of torch",
        )
    return device
