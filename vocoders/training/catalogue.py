"""The packaged configurations and the size of their networks, without allocating any."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vocoders.layers import count_parameters, remove_weight_norm
from vocoders.training.config import TrainingConfig, config_names, load_config
from vocoders.training.step import StepKind, TrainingStep

__all__ = ["ConfigSize", "list_configs", "network_sizes"]


@dataclass(frozen=True)
class ConfigSize:
    """A configuration and its parameter counts by network.

    Parameters
    ----------
    as_trained : with weight norm, which has one number more per output channel.
    folded : with weight or spectral norm folded into plain weights, as for synthesis.
    """

    name: str
    step: str
    as_trained: dict[str, int]
    folded: dict[str, int]


def list_configs(names: Sequence[str] | None = None) -> list[ConfigSize]:
    """Sizes of all packaged configurations, or of those named.

    Raises
    ------
    UnknownName, ConfigError
    """
    return [network_sizes(*load_config(name)) for name in names or config_names()]


def network_sizes(config: TrainingConfig, kind: StepKind) -> ConfigSize:
    """Count parameters on the meta device, where tensors have shapes and no memory.

    >>> network_sizes(*load_config("melgan")).folded["generator"]
    4260257
    """
    with torch.device("meta"):
        step: TrainingStep = kind.build(config, torch.device("meta"))
    networks = step.modules()
    as_trained = {name: count_parameters(network) for name, network in networks.items()}
    for network in networks.values():
        remove_weight_norm(network.eval())
    folded = {name: count_parameters(network) for name, network in networks.items()}
    return ConfigSize(config.name, config.step, as_trained, folded)
