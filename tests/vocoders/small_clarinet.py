"""A small ClariNet of odd sizes, in both implementations, with the same weights."""

import official_clarinet
import torch
from official_clarinet import Net

from vocoders.clarinet_network import ClariNetConfig, ClariNetNetwork, GaussianConfig
from vocoders.clarinet_weights import load_clarinet, to_own_names
from vocoders.layers import remove_weight_norm

N_MELS, RATIOS, N_FLOWS = 5, (4, 2), 3
TEACHER, FLOW = Net(2, 4, 6, 10, 2, front=7), Net(1, 4, 5, 7, 3, front=7)
CONFIG = ClariNetConfig(
    n_mels=N_MELS,
    ratios=RATIOS,
    teacher=GaussianConfig(2, 4, channels=6, gate_channels=10, kernel=2, front_kernel=7),
    flow=GaussianConfig(1, 4, channels=5, gate_channels=7, kernel=3, front_kernel=7),
    n_flows=N_FLOWS,
)


def random_state(seed: int) -> dict[str, torch.Tensor]:
    """Draw student and teacher under published names."""
    shapes = official_clarinet.net_shapes(TEACHER, N_MELS)
    shapes |= official_clarinet.upsampler_shapes(RATIOS)
    for flow in range(N_FLOWS):
        of_flow = official_clarinet.net_shapes(FLOW, N_MELS)
        shapes |= {f"iafs.{flow}.{name}": shape for name, shape in of_flow.items()}
    return official_clarinet.random_tensors(shapes, seed)


def network(state: dict[str, torch.Tensor], dtype: torch.dtype = torch.float32) -> ClariNetNetwork:
    """Load ours, without weight norm and without gradients."""
    ours = load_clarinet(CONFIG, to_own_names(state)).eval().to(dtype)
    remove_weight_norm(ours)
    return ours.requires_grad_(False)
