"""Number formats of the networks while they train."""

from contextlib import AbstractContextManager

import torch

from vocoders.training.config import Precision

__all__ = ["allow_tf32", "autocast"]


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Compute what is inside in bfloat16 where that is safe, if `precision` says so.

    ``auto`` does so on GPUs with hardware for it. bfloat16 has float32's range, so gradients need
    no scaling.
    """
    enabled = precision == "bfloat16"
    if precision == "auto":
        enabled = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def allow_tf32(allowed: bool) -> None:
    """Let GPUs round the factors of float32 products to 10 bits of mantissa, or not."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
