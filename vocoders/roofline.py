"""Counting a network's multiply-adds on its graph, and the machine's matrix products in torch.

Counts are taken on the ``meta`` device: shapes are computed, numbers are not, so that counting
a network of any size takes milliseconds and no memory.
"""

import json
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from evalsuite.errors import EvalsuiteError
from evalsuite.machine_ceilings import Ceilings, best_rate, measure_ceilings
from vocoders.layers import choose_device

__all__ = ["gemm_rates", "multiply_adds", "on_meta", "used_weights"]

_GEMM_SIZE = 1536


def multiply_adds(call: Callable[[], object]) -> int:
    """Count the multiply-adds of all convolutions and matrix products that `call` runs.

    Biases, activations and other element-wise work do not count, zero padding does: a layer with
    stride 1 costs ``kernel * channels in * channels out`` per position.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call()
    operations: int = counter.get_total_flops()
    if operations % 2:
        raise ArithmeticError(f"{operations} operations are no whole number of multiply-adds")
    return operations // 2


def on_meta(network: nn.Module) -> nn.Module:
    """Copy a network without its numbers; the original stays as it is.

    Weight norm stays as it is, and must stay so in both: layers with it share their class with
    their copies, and removing it changes the class. It costs no multiply-adds.
    """
    # Parameters are copied as shapes alone: a deep copy would double the memory for a moment.
    memo: dict[int, object] = {
        id(tensor): _shape_of(tensor) for tensor in [*network.parameters(), *network.buffers()]
    }
    return deepcopy(network, memo).eval()


def used_weights(network: nn.Module, call: Callable[[], object]) -> int:
    """Count the numbers in the filters and matrices of all layers that `call` runs, each once."""
    used: dict[int, int] = {}

    def note(layer: nn.Module, inputs: object, output: object) -> None:
        weight = getattr(layer, "weight", None)
        if isinstance(weight, Tensor) and weight.dim() > 1:
            used[id(layer)] = weight.numel()

    hooks = [layer.register_forward_hook(note) for layer in network.modules()]
    try:
        with torch.no_grad():
            call()
    finally:
        for hook in hooks:
            hook.remove()
    return sum(used.values())


def _shape_of(tensor: Tensor) -> Tensor:
    shape = torch.empty_like(tensor, device="meta")
    return nn.Parameter(shape) if isinstance(tensor, nn.Parameter) else shape


def gemm_rates(device: str = "cpu", size: int = _GEMM_SIZE) -> dict[str, float]:
    """10^9 operations a second of square matrix products in float32, bfloat16 and int8.

    Without hardware for it, bfloat16 is emulated, and slower than float32; a type that torch
    cannot multiply here is left out.
    """
    rates = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        matrix = torch.full((size, size), 1e-3, dtype=dtype, device=device)
        rates[name] = _rate(partial(torch.mm, matrix, matrix), size, device)
    small = torch.ones((size, size), dtype=torch.int8, device=device)
    try:
        rates["int8"] = _rate(partial(torch._int_mm, small, small), size, device)
    except (RuntimeError, AttributeError):
        return rates
    return rates


def _rate(product: Callable[[], Tensor], size: int, device: str) -> float:
    def run() -> None:
        product()
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    return best_rate(run, 2.0 * size**3) / 1e9


def _device_ceilings(name: str) -> Ceilings:
    device = choose_device(name)
    if device.type == "cpu":
        ceilings = measure_ceilings(gemm_rates())
    else:
        # True float32: the rate of TensorFloat-32 is another number type's.
        torch.backends.cuda.matmul.allow_tf32 = False
        ceilings = Ceilings(gemm_rates(name, size=8192), {1024: _read_rate(name)})
    return replace(ceilings, versions={"torch": torch.__version__})


def _read_rate(device: str) -> float:
    values = torch.ones(2**28, device=device)

    def read() -> None:
        values.sum()
        torch.cuda.synchronize()

    return best_rate(read, 4.0 * 2**28) / 1e9


def main() -> int:
    """Print the `Ceilings` of the device named as argument (default: cpu) as JSON."""
    try:
        ceilings = _device_ceilings(sys.argv[1] if len(sys.argv) > 1 else "cpu")
    except EvalsuiteError as error:
        kind = type(error).__name__
        print(json.dumps({"kind": kind, "got": error.got, "wanted": error.wanted, "do": error.do}))
        return 1
    print(json.dumps(asdict(ceilings)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
