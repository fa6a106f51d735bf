"""Small WaveNets of every kind, with the weights of the independent reference."""

import torch
from reference_wavenet import Sizes, random_state

from vocoders.layers import remove_weight_norm
from vocoders.tensor_names import to_module_names
from vocoders.wavenet_layouts import recognise
from vocoders.wavenet_network import WaveNet

#: Dilations up to 64 in the last one, beyond the blocks of the engines.
KINDS = {
    "2092a64-logistics": Sizes(),
    "master-logistics": Sizes(old=False),
    "master-gaussian": Sizes(old=False, n_out=2),
    "master-mulaw": Sizes(old=False, n_in=256, n_out=256),
    "2092a64-wide": Sizes(n_layers=7, n_stacks=1),
}


def published(sizes: Sizes, seed: int = 0) -> WaveNet:
    """The network with the reference's weights, recognised by their keys; weight norm is on."""
    state = random_state(sizes, seed)
    found = recognise(state, {"stacks": sizes.n_stacks})
    network = found.network.to_empty(device="cpu")
    network.load_state_dict(to_module_names(found.tensors))
    assert isinstance(network, WaveNet)
    return network.eval()


def plain(sizes: Sizes, seed: int = 0) -> WaveNet:
    """The same without weight norm."""
    network = published(sizes, seed)
    remove_weight_norm(network)
    return network


def random_mel(sizes: Sizes, n_frames: int, seed: int = 0) -> torch.Tensor:
    """Between 0 and 1, shape (n_mels, n_frames)."""
    return torch.rand(sizes.n_mels, n_frames, generator=torch.Generator().manual_seed(seed))
