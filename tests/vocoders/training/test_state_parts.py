"""A training state in parts: whole, smaller as far as it must be, and checked."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from evalsuite.errors import CheckpointError
from vocoders.training.state_parts import INDEX_NAME, restore_state, save_state


def make_state(*, n: int = 20_000, seed: int = 0) -> dict[str, Any]:
    """Two networks and their Adam states after three steps, and plain values beside them."""
    torch.manual_seed(seed)
    networks = {"small": torch.nn.Linear(n // 100, 20), "large": torch.nn.Linear(n // 100, 100)}
    updates = {}
    for name, network in networks.items():
        optimiser = torch.optim.Adam(network.parameters(), betas=(0.5, 0.9))
        for _ in range(3):
            optimiser.zero_grad()
            network(torch.randn(4, n // 100)).square().mean().backward()
            optimiser.step()
        updates[name] = {"optimiser": optimiser.state_dict(), "n_skipped": 0}
    return {
        "networks": {name: dict(network.state_dict()) for name, network in networks.items()},
        "updates": updates,
        "best": math.inf,
        "names": ("a", None, True, 3),
        "means": {"loss": [0.5, 0.25]},
    }


def assert_equal(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype and torch.equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_equal(left, right)
    else:
        assert one == other


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_a_state_that_fits_comes_back_bit_for_bit(tmp_path: Path) -> None:
    state = make_state()
    index = save_state(state, tmp_path / "s", step=7)
    restored = restore_state(tmp_path / "s")
    assert_equal(restored.state, state)
    assert restored.index.step == 7
    assert index.losses() == []


def test_parts_are_no_larger_than_asked_for(tmp_path: Path) -> None:
    state = make_state()
    index = save_state(state, tmp_path, step=1, part_bytes=50_000)
    sizes = [(tmp_path / part.file).stat().st_size for part in index.parts]
    assert max(sizes) == 50_000 and len(sizes) > 2
    assert_equal(restore_state(tmp_path).state, state)


def test_moments_are_rounded_before_weights(tmp_path: Path) -> None:
    state = make_state()
    exact = folder_bytes_of(state, tmp_path / "exact", budget_bytes=10**9)
    budget = round(0.75 * exact)
    index = save_state(state, tmp_path / "small", step=1, budget_bytes=budget)
    found = restore_state(tmp_path / "small").state
    assert folder_bytes(tmp_path / "small") <= budget
    assert_equal(found["networks"], state["networks"])
    moments = found["updates"]["large"]["optimiser"]["state"][0]
    before = state["updates"]["large"]["optimiser"]["state"][0]
    # bfloat16 keeps 8 significant bits: at most 2^-8 off, and no square becomes zero.
    assert torch.allclose(moments["exp_avg_sq"], before["exp_avg_sq"], rtol=2**-8, atol=0)
    assert moments["exp_avg_sq"].dtype == torch.float32
    assert moments["step"] == 3
    assert "were rounded to bfloat16" in index.losses()[0]


def folder_bytes_of(state: dict[str, Any], folder: Path, *, budget_bytes: int) -> int:
    save_state(state, folder, step=1, budget_bytes=budget_bytes)
    return folder_bytes(folder)


def test_weights_become_float16_next(tmp_path: Path) -> None:
    state = make_state()
    exact = folder_bytes_of(state, tmp_path / "exact", budget_bytes=10**9)
    index = save_state(state, tmp_path / "small", step=1, budget_bytes=round(0.56 * exact))
    weights = restore_state(tmp_path / "small").state["networks"]["large"]["weight"]
    before = state["networks"]["large"]["weight"]
    assert torch.equal(weights, before.half().float()) and not torch.equal(weights, before)
    assert index.dropped == ()
    assert 0 < index.largest_rounding_error < 2**-8


def test_the_largest_optimiser_is_left_out_first(tmp_path: Path) -> None:
    state = make_state()
    exact = folder_bytes_of(state, tmp_path / "exact", budget_bytes=10**9)
    index = save_state(state, tmp_path / "small", step=1, budget_bytes=round(0.4 * exact))
    updates = restore_state(tmp_path / "small").state["updates"]
    assert [one.path for one in index.dropped] == ["updates/large/optimiser/state"]
    assert updates["large"]["optimiser"]["state"] == {}
    assert len(updates["small"]["optimiser"]["state"]) == 2
    # What is left loads into a fresh optimiser, which then starts its moments anew.
    network = torch.nn.Linear(200, 100)
    optimiser = torch.optim.Adam(network.parameters())
    optimiser.load_state_dict(updates["large"]["optimiser"])
    assert optimiser.param_groups[0]["betas"] == (0.5, 0.9)


def test_networks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="networks alone take over 0 MB in float16"):
        save_state(make_state(), tmp_path, step=1, budget_bytes=20_000)
    assert list(tmp_path.iterdir()) == []


def test_values_beyond_float16_stay_as_they_are(tmp_path: Path) -> None:
    state = {"huge": torch.full((1000,), 1e6), "tiny": torch.full((1000,), 1e-9)}
    save_state(state | {"plain": torch.rand(30_000)}, tmp_path, step=1, budget_bytes=80_000)
    found = restore_state(tmp_path).state
    assert torch.equal(found["huge"], state["huge"]) and torch.equal(found["tiny"], state["tiny"])


def test_a_newer_state_replaces_the_older_and_its_parts(tmp_path: Path) -> None:
    save_state(make_state(seed=1), tmp_path, step=1, part_bytes=20_000)
    newer = make_state(n=3000, seed=2)
    index = save_state(newer, tmp_path, step=2, part_bytes=200_000)
    assert {path.name for path in tmp_path.iterdir()} == {
        INDEX_NAME,
        *(part.file for part in index.parts),
    }
    assert_equal(restore_state(tmp_path).state, newer)


def test_a_leftover_part_of_a_stopped_writer_does_no_harm(tmp_path: Path) -> None:
    state = make_state(n=3000)
    save_state(state, tmp_path, step=1)
    (tmp_path / "state-0123456789ab-0.part").write_bytes(b"newer, but its index never came")
    assert_equal(restore_state(tmp_path).state, state)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes instead of"),
        (lambda path: path.write_bytes(b"\0" * path.stat().st_size), "was changed"),
    ],
    ids=["missing", "cut", "changed"],
)
def test_a_harmed_part_is_named(tmp_path: Path, harm: Any, said: str) -> None:
    index = save_state(make_state(n=3000), tmp_path, step=1, part_bytes=4_000)
    harm(tmp_path / index.parts[1].file)
    with pytest.raises(CheckpointError, match=f"{index.parts[1].file}.*{said}"):
        restore_state(tmp_path)


def test_swapped_parts_are_noticed(tmp_path: Path) -> None:
    save_state(make_state(n=3000), tmp_path, step=1, part_bytes=4_000)
    index = json.loads((tmp_path / INDEX_NAME).read_text())
    index["parts"][:2] = reversed(index["parts"][:2])
    (tmp_path / INDEX_NAME).write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="not in the order"):
        restore_state(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 2}'])
def test_a_damaged_index_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX_NAME).write_text(text)
    with pytest.raises(CheckpointError, match=r"state\.json cannot be read"):
        restore_state(tmp_path)


@pytest.mark.parametrize(
    "tree",
    [{}, {"value": 3}, {"tensor": "a", "dtype": "float32"}, {"list": {}}, {"dict": [[[], {}]]},
     {"dict": [["a"]]}, {"tensor": []}],
)  # fmt: skip
def test_a_tree_that_is_none_is_named(tmp_path: Path, tree: dict[str, Any]) -> None:
    save_state({"b": torch.ones(1)}, tmp_path, step=1)
    index = json.loads((tmp_path / INDEX_NAME).read_text()) | {"tree": tree}
    (tmp_path / INDEX_NAME).write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"do not fit the index|holds no training"):
        restore_state(tmp_path)


def test_an_error_without_words_is_named_by_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise OSError

    monkeypatch.setattr(Path, "read_text", fail)
    with pytest.raises(CheckpointError, match=r"cannot be read \(OSError\)"):
        restore_state(tmp_path)


def test_a_fault_of_the_index_is_told_in_plain_words(tmp_path: Path) -> None:
    save_state({"b": torch.ones(1)}, tmp_path, step=1)
    index = json.loads((tmp_path / INDEX_NAME).read_text()) | {"step": "two"}
    (tmp_path / INDEX_NAME).write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match='step: a whole number is wanted, not "two"'):
        restore_state(tmp_path)


@pytest.mark.parametrize("odd", [object(), {1, 2}, b"bytes"])
def test_what_json_cannot_carry_is_refused_with_its_place(tmp_path: Path, odd: object) -> None:
    with pytest.raises(CheckpointError, match="at a/1"):
        save_state({"a": [0, odd]}, tmp_path, step=1)


def test_keys_that_would_collide_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="each once"):
        save_state({"a": {1: torch.ones(1), "1": torch.ones(1)}}, tmp_path, step=1)
