"""Whole pickled networks as the early WaveGlow releases have them, made without NVIDIA's code."""

import importlib.util
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@contextmanager
def glow_module() -> Iterator[Any]:
    """Load the stand-in as the module ``glow``, and forget it again."""
    spec = importlib.util.spec_from_file_location("glow", Path(__file__).with_name("glow.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["glow"] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules["glow"]


class _Backend:
    """What every module of torch before 1.2 carries as ``_backend``."""

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch.nn.backends.thnn"]._get_thnn_function_backend, ()


def save_whole_network(path: Path, *, legacy: bool, old_backend: bool = False) -> dict[str, Tensor]:
    """Write ``{'model': network, ...}``; returns the network's true state dict."""
    torch.manual_seed(0)
    backends = types.ModuleType("torch.nn.backends.thnn")
    get_backend = type("_get_thnn_function_backend", (), {"__module__": backends.__name__})
    backends._get_thnn_function_backend = get_backend  # type: ignore[attr-defined]
    sys.modules[backends.__name__] = backends
    try:
        with glow_module() as glow, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = glow.WaveGlow()
            if old_backend:
                network._backend = _Backend()
            content = {"model": network, "iteration": 580000, "learning_rate": 1e-4}
            torch.save(content, path, _use_new_zipfile_serialization=not legacy)
            return {name: tensor.clone() for name, tensor in network.state_dict().items()}
    finally:
        del sys.modules[backends.__name__]
