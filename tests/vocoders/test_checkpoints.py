"""Checkpoints: nothing in them runs, every tensor is accounted for, nothing is changed."""

import json
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import official_melgan  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from evalsuite.errors import CheckpointError, UnknownName  # noqa: E402
from evalsuite.files import sha256_file  # noqa: E402
from evalsuite.weights import CARD_NAME, TENSORS_NAME, read_card  # noqa: E402
from vocoders import checkpoints  # noqa: E402
from vocoders.checkpoints import (  # noqa: E402
    import_weights,
    load_weights,
    read_state_dict,
    to_module_names,
)

State = dict[str, Any]
STATE: State = official_melgan.random_state(0)


def zip_format(state: object, path: Path) -> None:
    torch.save(state, path)


def legacy_format(state: object, path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


FORMATS = pytest.mark.parametrize("save", [zip_format, legacy_format])


def saved(state: object, folder: Path, save: Callable[[object, Path], None] = zip_format) -> Path:
    path = folder / "best_netG.pt"
    save(state, path)
    return path


@FORMATS
def test_a_published_checkpoint_comes_through_bit_for_bit(
    tmp_path: Path, save: Callable[[object, Path], None]
) -> None:
    path = saved(OrderedDict(STATE), tmp_path, save)
    card = import_weights(path, "melgan", tmp_path / "lj", licence="MIT", source="mel2wav")
    stored = load_file(tmp_path / "lj" / TENSORS_NAME)
    assert stored.keys() == STATE.keys()
    assert all(torch.equal(stored[name], STATE[name]) for name in STATE)
    assert read_card(tmp_path / "lj") == card
    assert card.source_file == "best_netG.pt"
    assert card.source_sha256 == sha256_file(path)
    assert card.weights_sha256 == sha256_file(tmp_path / "lj" / TENSORS_NAME)
    assert (card.layout, card.key_map) == ("weight_g, weight_v", {})
    assert (card.licence, card.source, card.mel) == ("MIT", "mel2wav", "melgan")
    loaded_card, loaded = load_weights(tmp_path / "lj", "melgan")
    assert loaded_card == card
    assert all(torch.equal(loaded[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize(
    ("rename", "layout"),
    [
        (lambda state: {f"module.{name}": t for name, t in state.items()}, "weight_g, weight_v"),
        (to_module_names, "parametrizations"),
        (
            lambda state: {f"module.{name}": t for name, t in to_module_names(state).items()},
            "parametrizations",
        ),
    ],
)
def test_other_spellings_are_stored_under_official_names(
    tmp_path: Path, rename: Callable[[State], State], layout: str
) -> None:
    state = rename(STATE)
    card = import_weights(saved(state, tmp_path), "melgan", tmp_path / "lj")
    assert card.layout == layout
    stored = load_file(tmp_path / "lj" / TENSORS_NAME)
    assert all(torch.equal(stored[name], STATE[name]) for name in STATE)
    given = {name: card.key_map.get(name, name) for name in state}
    assert sorted(given.values()) == sorted(STATE)
    assert all(torch.equal(state[name], stored[official]) for name, official in given.items())


def test_safetensors_can_be_imported_too(tmp_path: Path) -> None:
    path = tmp_path / "g.safetensors"
    save_file(STATE, path)
    assert import_weights(path, "melgan", tmp_path / "lj").source_file == "g.safetensors"


class Bait:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def plain_pickle(state: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(state))


@pytest.mark.parametrize("save", [zip_format, legacy_format, plain_pickle])
def test_code_in_a_checkpoint_is_refused_and_does_not_run(
    tmp_path: Path, save: Callable[[object, Path], None]
) -> None:
    sprung = tmp_path / "sprung"
    path = saved({**STATE, "model.1.bias": Bait(sprung)}, tmp_path, save)
    with pytest.raises(CheckpointError, match="not plain tensors") as error:
        import_weights(path, "melgan", tmp_path / "lj")
    assert not sprung.exists()
    assert "Unsupported" in error.value.got
    assert "False" not in str(error.value)  # torch's own text advises an unsafe load
    assert not (tmp_path / "lj").exists()
    # The bait is a real one: an unsafe load would have sprung it.
    if save is plain_pickle:
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert sprung.exists()


def without(name: str) -> State:
    return {key: tensor for key, tensor in STATE.items() if key != name}


def test_every_fault_is_listed(tmp_path: Path) -> None:
    state = without("model.3.bias") | {
        "model.99.bias": torch.zeros(3),
        "model.1.weight_v": torch.zeros(512, 100, 7),
        "model.24.bias": torch.tensor([float("nan")]),
        "model.8.bias": STATE["model.8.bias"].half(),
    }
    with pytest.raises(CheckpointError) as error:
        import_weights(saved(state, tmp_path), "melgan", tmp_path / "lj")
    message = str(error.value)
    assert "does not fit in 5 places" in message
    for fault in (
        "missing model.3.bias",
        "unexpected model.99.bias",
        "model.1.weight_v has shape (512, 100, 7) instead of (512, 80, 7)",
        "model.24.bias is torch.float32 or has NaN",
        "model.8.bias is torch.float16",
    ):
        assert fault in message
    assert "126 tensors" in message
    assert not (tmp_path / "lj").exists()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"model": STATE, "optimizer": {}}, "'model', 'optimizer'"),
        ({}, "an empty dict"),
        ([torch.zeros(1)], "list"),
        ({1: torch.zeros(1)}, "a dict with 1"),
    ],
)
def test_only_a_bare_state_dict_will_do(tmp_path: Path, content: object, found: str) -> None:
    with pytest.raises(CheckpointError, match="bare state dict") as error:
        read_state_dict(saved(content, tmp_path))
    assert found in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 broken zip"])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("g.pt", "g.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=name):
            read_state_dict(tmp_path / name)


def test_a_truncated_download_is_refused(tmp_path: Path) -> None:
    for save in (zip_format, legacy_format):
        path = saved(STATE, tmp_path, save)
        path.write_bytes(path.read_bytes()[:-5000])
        with pytest.raises(CheckpointError, match=r"best_netG\.pt"):
            read_state_dict(path)


def test_a_missing_file_and_an_unknown_network_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.pt"):
        import_weights(tmp_path / "nowhere.pt", "melgan", tmp_path / "lj")
    with pytest.raises(UnknownName, match="write 'melgan'"):
        import_weights(saved(STATE, tmp_path), "melgann", tmp_path / "lj")


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    import_weights(saved(STATE, tmp_path), "melgan", tmp_path / "lj")
    return tmp_path / "lj"


def test_changed_tensors_are_noticed(imported: Path) -> None:
    path = imported / TENSORS_NAME
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="changed after its import"):
        load_weights(imported, "melgan")
    path.unlink()
    with pytest.raises(CheckpointError, match="missing"):
        load_weights(imported, "melgan")


def test_weights_of_another_network_or_convention_are_refused(imported: Path) -> None:
    with pytest.raises(CheckpointError, match="weights of 'melgan'"):
        load_weights(imported, "waveglow")
    card = json.loads((imported / CARD_NAME).read_text())
    (imported / CARD_NAME).write_text(json.dumps(card | {"mel_digest": "0" * 64}))
    with pytest.raises(CheckpointError, match="mel convention 'melgan' was another"):
        load_weights(imported, "melgan")


def test_other_weights_are_not_overwritten_unasked(tmp_path: Path, imported: Path) -> None:
    before = (imported / TENSORS_NAME).read_bytes()
    same = tmp_path / "best_netG.pt"
    assert import_weights(same, "melgan", imported) == read_card(imported)
    other = tmp_path / "other.pt"
    torch.save(official_melgan.random_state(1), other)
    with pytest.raises(CheckpointError, match="already holds other weights"):
        import_weights(other, "melgan", imported)
    assert (imported / TENSORS_NAME).read_bytes() == before
    assert import_weights(other, "melgan", imported, overwrite=True).source_file == "other.pt"


def test_an_interrupted_import_leaves_no_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoints, "save_file", no_space)
    with pytest.raises(OSError, match="no space"):
        import_weights(saved(STATE, tmp_path), "melgan", tmp_path / "lj")
    assert list((tmp_path / "lj").iterdir()) == []
