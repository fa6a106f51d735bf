"""Layouts that fail: in words, whatever a network's own building raises."""

from collections.abc import Mapping
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from evalsuite.errors import CheckpointError, ConfigError  # noqa: E402
from vocoders.layouts import CheckpointLayout, Recognised  # noqa: E402


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: nn.Conv1d(-1, 1, 1), "Trying to create tensor with negative"),
        (lambda: nn.Conv1d(3, 1, 1, groups=2), "in_channels must be divisible"),
        (lambda: torch.empty(2**40, 2**40, device="meta"), "Storage size"),
        (lambda: len(torch.zeros(())), "len"),
        (lambda: 1 // 0, "integer .*by zero"),
        (lambda: {}["a"], "KeyError: 'a'"),
        (lambda: [].pop(), "pop"),
    ],
)
def test_what_makes_no_network_is_an_error_in_words(build: Any, said: str) -> None:
    def recognise(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
        build()
        raise AssertionError

    layout = CheckpointLayout("broken", recognise=recognise)
    with pytest.raises(CheckpointError, match=f"make no 'broken': {said}"):
        layout.recognised({}, {})


def test_errors_of_our_own_pass_as_they_are() -> None:
    own = ConfigError("both norms", wanted="one", do="drop one")

    def build_empty(weight_norm: bool) -> tuple[nn.Module, dict[str, int | float | bool | str]]:
        raise own

    with pytest.raises(ConfigError) as error:
        CheckpointLayout("broken", mel="melgan", build_empty=build_empty).recognised({}, {})
    assert error.value is own
