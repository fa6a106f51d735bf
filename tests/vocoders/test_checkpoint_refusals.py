"""Pipes, web pages, pointers and odd tensors: named, and neither waited for nor imported."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from evalsuite.errors import CheckpointError  # noqa: E402
from vocoders.containers import read_container, read_state_dict  # noqa: E402

STATE = {"conv.bias": torch.arange(3.0), "conv.weight": torch.randn(3, 2, 5)}


def saved(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (lambda: torch.eye(3).to_sparse(), r"'odd' is sparse \(torch.sparse_coo\)"),
        (lambda: torch.empty(3, device="meta"), r"'odd' is without values \(device meta\)"),
        (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "'odd' is nested"),
        (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "is quantized"),
        (lambda: torch.zeros(1).expand(10**6, 10**6), "'odd' is larger than what is stored"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*nested tensors.*", "ignore:.*[qQ]uantiz.*")
@pytest.mark.filterwarnings("ignore:.*TypedStorage.*")
def test_only_dense_tensors_are_weights(
    tmp_path: Path, odd: Callable[[], Tensor], said: str
) -> None:
    """Others are checked and written by rules of their own, which fail in ways of their own."""
    path = saved({"state_dict": STATE | {"odd": odd()}}, tmp_path / "g.pt")
    with pytest.raises(CheckpointError, match=said):
        read_container(path)
    path = saved(STATE | {"odd": odd()}, tmp_path / "bare.pt")
    with pytest.raises(CheckpointError, match=said):
        read_state_dict(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html><title>Virus scan warning</title>", "is a web page"),
        (b"\xef\xbb\xbf \n<HTML lang='en'>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of Git LFS"),
    ],
)
@pytest.mark.parametrize("name", ["g.pt", "g.safetensors"])
def test_what_is_taken_for_a_checkpoint_is_named(
    tmp_path: Path, content: bytes, said: str, name: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        read_container(tmp_path / name)


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    for path in (tmp_path / "pipe.pt", tmp_path, Path("/dev/zero")):
        with pytest.raises(CheckpointError, match="is no regular file"):
            read_container(path)
