"""Weights of a WaveNet in 16 or 8 bits: less to read per sample, at a measured error.

Each output row of each matrix (and each tap) has its own scale, so that its largest weight takes
the largest integer. Only the residual layers are rounded: conditioning, the first and the two last
convolutions are 1 % of what is read. Sums stay in float32.
"""

import torch
from torch import Tensor, nn

from vocoders.wavenet_network import ResidualLayer, WaveNet

__all__ = ["WIDTHS", "quantise_network", "quantise_rows"]

#: Option value -> integer type.
WIDTHS = {"int16": torch.int16, "int8": torch.int8}


def quantise_rows(matrix: Tensor, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """Round a matrix to integers, row by row.

    Parameters
    ----------
    matrix : shape (..., rows, columns).
    kind : integer type.

    Returns
    -------
    Integers of that shape, and the scale of each row, float32, shape (..., rows):
    ``matrix ~ integers * scales``.

    >>> integers, scales = quantise_rows(torch.tensor([[0.5, -1.0], [0.0, 0.0]]), torch.int8)
    >>> integers.tolist()
    [[64, -127], [0, 0]]
    """
    peak = matrix.abs().amax(dim=-1, keepdim=True)
    largest = torch.iinfo(kind).max
    scales = torch.where(peak > 0, peak / largest, torch.ones_like(peak))
    return torch.round(matrix / scales).to(kind), scales[..., 0].float()


@torch.no_grad()
def quantise_network(network: WaveNet, kind: torch.dtype) -> None:
    """Replace the weights of the residual layers by their rounded values, still float32, in place.

    The network has no weight norm. Rearranging the layers afterwards only scales whole rows, so
    `quantise_rows` finds the same integers again.
    """
    for layer in network.conv_layers:
        assert isinstance(layer, ResidualLayer)
        for conv in (layer.conv, layer.conv1x1_out, layer.conv1x1_skip):
            assert isinstance(conv, nn.Conv1d)
            taps = conv.weight.double().permute(2, 0, 1)  # (taps, out, in)
            integers, scales = quantise_rows(taps, kind)
            conv.weight.copy_((integers * scales[..., None].double()).permute(1, 2, 0))
