"""Inference that is repeatable to the bit, whole or step by step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

__all__ = ["exact_inference", "stepwise"]

T = TypeVar("T")


@contextmanager
def exact_inference() -> Iterator[None]:
    """Run without gradients, with repeatable kernels and true float32, also on a GPU."""
    exact = torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False)
    with torch.inference_mode(), exact:
        yield


def stepwise(items: Iterator[T]) -> Iterator[T]:
    """Compute each item inside `exact_inference`, and nothing of whoever takes them.

    A generator with a ``with`` block would keep its caller inside the block between two items.
    """
    while True:
        with exact_inference():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
