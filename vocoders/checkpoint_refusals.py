"""What is given for a checkpoint and is none, and tensors that are no weights: refused by name."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from evalsuite.errors import CheckpointError

__all__ = ["require_checkpoint_file", "require_dense"]


def require_checkpoint_file(path: Path) -> None:
    """Name what is often taken for a checkpoint, before anything tries to read it as one.

    Raises
    ------
    CheckpointError for a pipe, a folder, a web page or a pointer of Git LFS; OSError if the file
    cannot be opened.
    """
    if path.exists() and not path.is_file():
        raise CheckpointError(
            f"{path} is no regular file",  # opening a pipe would wait for its other end
            wanted="a whole .pt, .pth, .pkl or .safetensors file",
            do="check the path; of what comes through a pipe, make a file first",
        )
    with path.open("rb") as stream:
        start = stream.read(512).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise CheckpointError(
            f"{path} is a web page",
            wanted="the file that the page offers, or asks to confirm",
            do="open the page in a browser and download the file from there",
        )
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(
            f"{path} is a pointer of Git LFS, which names the file and does not hold it",
            wanted="the file itself",
            do="run git lfs pull in its repository, or download the file",
        )


def require_dense(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors of odd kinds: shapes, sums and files of them are not what they are of others.

    Raises
    ------
    CheckpointError naming each.
    """
    odd = [f"{name!r} is {kind}" for name, t in tensors.items() if (kind := _odd_kind(t))]
    if odd:
        more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
        raise CheckpointError(
            f"{path}: {', '.join(odd[:5])}{more}",
            wanted="dense tensors with their values in the file",
            do="save the generator's state_dict() alone, with ordinary tensors",
        )


def _odd_kind(tensor: Tensor) -> str:
    """What makes a tensor unusable as weights; empty for a usable one."""
    if tensor.is_nested:
        return "nested"
    if tensor.layout is not torch.strided:
        return f"sparse ({tensor.layout})"
    if tensor.device.type != "cpu":
        return f"without values (device {tensor.device})"
    if tensor.is_quantized:
        return "quantized"
    if type(tensor) not in (Tensor, nn.Parameter):
        return f"a {type(tensor).__name__}"
    # A stride of 0 makes any shape out of one value, and a copy of it fills the memory.
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return "larger than what is stored of it"
    return ""
