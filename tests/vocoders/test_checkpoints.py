"""Imports: every tensor is accounted for, nothing is changed, everything is on the card."""

import json
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import official_melgan  # noqa: E402
import tiny_checkpoint  # noqa: E402
from safetensors import SafetensorError  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from evalsuite import registry  # noqa: E402
from evalsuite.errors import CheckpointError, ConfigError, UnknownName  # noqa: E402
from evalsuite.files import sha256_file  # noqa: E402
from evalsuite.mel import mel_spec  # noqa: E402
from evalsuite.weights import CARD_NAME, TENSORS_NAME, read_card  # noqa: E402
from vocoders import checkpoints  # noqa: E402
from vocoders.checkpoints import (  # noqa: E402
    CheckpointLayout,
    import_weights,
    importable,
    load_weights,
    take_statistics,
    to_module_names,
)

State = dict[str, Any]
STATE: State = tiny_checkpoint.random_state()
OTHER_NAMES: State = {name.replace("conv", "net.0"): tensor for name, tensor in STATE.items()}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the vocoder of three tensors."""
    entry = registry.BuiltIn("tiny_checkpoint:Tiny", "for tests", "neural", needs_weights=True)
    monkeypatch.setattr(registry, "BUILT_IN", {**registry.BUILT_IN, "tiny": entry})
    monkeypatch.setattr("vocoders.importable.BUILT_IN", registry.BUILT_IN)


def saved(state: object, folder: Path, name: str = "g.pt", *, legacy: bool = False) -> Path:
    torch.save(state, folder / name, _use_new_zipfile_serialization=not legacy)
    return folder / name


def same(given: State, wanted: State) -> bool:
    return given.keys() == wanted.keys() and all(torch.equal(given[k], wanted[k]) for k in wanted)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_an_official_melgan_comes_through_bit_for_bit(tmp_path: Path, legacy: bool) -> None:
    state = official_melgan.random_state(0)
    path = saved(OrderedDict(state), tmp_path, "best_netG.pt", legacy=legacy)
    card = import_weights(path, "melgan", tmp_path / "lj", licence="MIT", source="mel2wav")
    assert same(load_file(tmp_path / "lj" / TENSORS_NAME), state)
    assert read_card(tmp_path / "lj") == card
    assert card.source_file == "best_netG.pt"
    assert card.source_sha256 == sha256_file(path)
    assert card.weights_sha256 == sha256_file(tmp_path / "lj" / TENSORS_NAME)
    assert (card.layout, card.key_map) == ("weight_g, weight_v", {})
    assert (card.licence, card.source, card.mel) == ("MIT", "mel2wav", "melgan")
    assert (card.container, card.companions) == ("state dict alone", {})
    loaded_card, loaded = load_weights(tmp_path / "lj", "melgan")
    assert loaded_card == card
    assert same(loaded, state)


def wrapped(state: State) -> State:
    return {f"module.{name}": tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    ("rename", "layout"),
    [
        (wrapped, "weight_g, weight_v"),
        (to_module_names, "parametrizations"),
        (lambda state: wrapped(to_module_names(state)), "parametrizations"),
    ],
)
def test_other_spellings_are_stored_under_official_names(
    tmp_path: Path, rename: Callable[[State], State], layout: str
) -> None:
    state = rename(STATE)
    card = import_weights(saved(state, tmp_path), "tiny", tmp_path / "w")
    assert card.layout == layout
    stored = load_file(tmp_path / "w" / TENSORS_NAME)
    assert same(stored, STATE)
    given = {name: card.key_map.get(name, name) for name in state}
    assert sorted(given.values()) == sorted(STATE)
    assert all(torch.equal(state[name], stored[official]) for name, official in given.items())


def test_plain_weights_are_told_from_weight_norm(tmp_path: Path) -> None:
    state = {"conv.bias": torch.zeros(3), "conv.weight": torch.ones(3, 2, 3)}
    assert import_weights(saved(state, tmp_path), "tiny", tmp_path / "w").layout == "plain"


# --- layouts, settings, statistics -------------------------------------------------------------


def statistics_file(folder: Path, n_mels: int = 80) -> Path:
    values = np.stack([np.linspace(-4, -2, n_mels), np.linspace(0.5, 1.5, n_mels)])
    np.save(folder / "stats.npy", values)
    return folder / "stats.npy"


def test_another_layout_brings_its_convention_settings_and_statistics(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text("n_layers: 7\nsampling_rate: 22050\n")
    stats = statistics_file(tmp_path)
    state = {"model": {"generator": OTHER_NAMES | {"step": torch.tensor(3)}}, "steps": 400000}
    path = saved(state, tmp_path)
    card = import_weights(path, "tiny", tmp_path / "w", config=config, statistics=stats)
    assert (card.layout, card.mel) == ("other: weight_g, weight_v", "pwg")
    assert card.mel_digest == mel_spec("pwg").digest
    assert card.config == {"n_layers": 7}
    assert card.key_map == {name: name.replace("net.0", "conv") for name in OTHER_NAMES}
    assert card.container == "state dict 'model.generator' of a dict"
    assert card.companions == {file.name: sha256_file(file) for file in (config, stats)}
    _, tensors = load_weights(tmp_path / "w", "tiny")
    found = take_statistics(tensors)
    assert found is not None
    assert same(tensors, STATE)  # what is left is the network's
    mean, scale = np.load(stats).astype(np.float32)
    mel = torch.randn(80, 5)
    expected = (mel.numpy() - mean[:, np.newaxis]) / scale[:, np.newaxis]
    np.testing.assert_allclose(found.normalise(mel).numpy(), expected, rtol=1e-6)
    assert take_statistics(tensors) is None


def test_other_statistics_are_other_weights(tmp_path: Path) -> None:
    """The hash that caches go by covers all that the output depends on."""
    path, digests = saved(OTHER_NAMES, tmp_path), set()
    for factor in (1.0, 1.01):
        stats = statistics_file(tmp_path)
        np.save(stats, np.load(stats) * factor)
        card = import_weights(path, "tiny", tmp_path / "w", statistics=stats)
        digests.add(card.weights_sha256)
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("state", "n_mels", "match"),
    [
        (OTHER_NAMES, None, "hears normalised mels.*add --stats"),
        (OTHER_NAMES, 64, "statistics of 64 bands.*80 bands, as the convention 'pwg'"),
        (STATE, 80, "hears the log-mel as it is.*leave out --stats"),
    ],
)
def test_statistics_must_be_given_where_they_belong(
    tmp_path: Path, state: State, n_mels: int | None, match: str
) -> None:
    stats = statistics_file(tmp_path, n_mels) if n_mels else None
    with pytest.raises(CheckpointError, match=match):
        import_weights(saved(state, tmp_path), "tiny", tmp_path / "w", statistics=stats)
    assert not (tmp_path / "w").exists()


def old_halves() -> tuple[State, State]:
    low = {name.replace("conv", "low"): tensor[:1].clone() for name, tensor in STATE.items()}
    high = {name.replace("conv", "high"): tensor[1:].clone() for name, tensor in STATE.items()}
    return low, high


def test_merged_tensors_name_what_they_were_made_from(tmp_path: Path) -> None:
    low, high = old_halves()
    card = import_weights(saved(low | high, tmp_path), "tiny", tmp_path / "w")
    assert same(load_file(tmp_path / "w" / TENSORS_NAME), STATE)
    assert card.key_map["low.weight_v"] == card.key_map["high.weight_v"] == "conv.weight_v"
    assert sorted(card.key_map) == sorted(low | high)


def test_a_system_in_two_files_is_imported_as_one(tmp_path: Path) -> None:
    low, high = old_halves()
    first = saved({"state_dict": wrapped(low)}, tmp_path, "student.pth")
    second = saved({"state_dict": high}, tmp_path, "teacher.pth")
    card = import_weights(first, "tiny", tmp_path / "w", further=[second])
    assert same(load_file(tmp_path / "w" / TENSORS_NAME), STATE)
    assert card.source_file == "student.pth"
    assert card.companions == {"teacher.pth": sha256_file(second)}
    with pytest.raises(CheckpointError, match=r"both have 'high\.bias'"):
        import_weights(second, "tiny", tmp_path / "v", further=[second])


def test_half_precision_is_widened(tmp_path: Path) -> None:
    halves = {name: tensor.half() for name, tensor in STATE.items()}
    card = import_weights(saved(halves, tmp_path), "tiny", tmp_path / "w")
    assert card.container == "state dict alone, widened from float16"
    stored = load_file(tmp_path / "w" / TENSORS_NAME)
    assert all(torch.equal(stored[name].half(), halves[name]) for name in STATE)
    assert {tensor.dtype for tensor in stored.values()} == {torch.float32}


def test_a_mixture_of_precisions_is_converted_and_said(tmp_path: Path) -> None:
    half, double = STATE["conv.bias"].bfloat16(), STATE["conv.weight_v"].double() / 3
    mixed = STATE | {"conv.bias": half, "conv.weight_v": double}
    card = import_weights(saved(mixed, tmp_path), "tiny", tmp_path / "w")
    assert card.container == "state dict alone, widened from bfloat16, rounded from float64"
    stored = load_file(tmp_path / "w" / TENSORS_NAME)
    assert torch.equal(stored["conv.bias"], half.float())
    np.testing.assert_array_equal(
        stored["conv.weight_v"].numpy(), double.numpy().astype(np.float32)
    )
    beyond = STATE | {"conv.bias": torch.full((3,), 1e300, dtype=torch.float64)}
    with pytest.raises(CheckpointError, match=r"conv\.bias has NaN or infinite"):
        import_weights(saved(beyond, tmp_path), "tiny", tmp_path / "v")


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", ["source", "config", "statistics"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, extra: str) -> None:
    """Opening one waits for somebody to write, for ever."""
    pipe = tmp_path / f"pipe.{'npy' if extra == 'statistics' else 'yml'}"
    os.mkfifo(pipe)
    path = pipe if extra == "source" else saved(OTHER_NAMES, tmp_path)
    files = {} if extra == "source" else {extra: pipe}
    with pytest.raises((CheckpointError, ConfigError), match="no regular file"):
        import_weights(path, "tiny", tmp_path / "w", **files)


def test_every_fault_is_listed(tmp_path: Path) -> None:
    state = official_melgan.random_state(0) | {
        "model.99.bias": torch.zeros(3),
        "model.1.weight_v": torch.zeros(512, 100, 7),
        "model.24.bias": torch.tensor([float("nan")]),
        "model.8.bias": torch.zeros(128, dtype=torch.int64),
    }
    del state["model.3.bias"]
    with pytest.raises(CheckpointError) as error:
        import_weights(saved({"state_dict": state}, tmp_path), "melgan", tmp_path / "lj")
    message = str(error.value)
    for fault in (
        "g.pt (state dict 'state_dict' of a dict, 126 tensors: 'model.1.bias', ",
        "does not fit in 5 places",
        "missing model.3.bias",
        "unexpected model.99.bias",
        "model.1.weight_v has shape (512, 100, 7) instead of (512, 80, 7)",
        "model.24.bias has NaN",
        "model.8.bias is torch.int64",
        "exactly the 126 tensors",
    ):
        assert fault in message
    assert not (tmp_path / "lj").exists()


def test_a_source_tensor_that_a_layout_drops_is_noticed(tmp_path: Path) -> None:
    low, high = old_halves()
    state = low | high | {"low.extra": torch.zeros(2)}
    with pytest.raises(CheckpointError, match=r"1 places: unexpected low\.extra"):
        import_weights(saved(state, tmp_path), "tiny", tmp_path / "w")


def test_unknown_names_are_shown(tmp_path: Path) -> None:
    state = {f"encoder.{i}.bias": torch.zeros(1) for i in range(9)}
    with pytest.raises(CheckpointError, match="no known layout of 'tiny'") as error:
        import_weights(saved({"generator": state}, tmp_path), "tiny", tmp_path / "w")
    assert "state dict 'generator' of a dict, 9 tensors" in error.value.got
    assert "'encoder.0.bias'" in error.value.got
    assert "and 5 more" in error.value.got


def test_a_missing_file_and_an_unknown_network_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.pt"):
        import_weights(tmp_path / "nowhere.pt", "tiny", tmp_path / "w")
    with pytest.raises(UnknownName, match="write 'melgan'"):
        import_weights(saved(STATE, tmp_path), "melgann", tmp_path / "w")
    assert {"melgan", "tiny"} <= importable().keys()
    assert not {"original", "griffin_lim", "world"} & importable().keys()


def test_a_layout_has_one_way_to_be_recognised() -> None:
    with pytest.raises(TypeError, match="either build_empty and mel, or recognise"):
        CheckpointLayout("tiny")


# --- weights folders ---------------------------------------------------------------------------


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    import_weights(saved(STATE, tmp_path), "tiny", tmp_path / "w")
    return tmp_path / "w"


def test_changed_tensors_are_noticed(imported: Path) -> None:
    path = imported / TENSORS_NAME
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="changed after its import"):
        load_weights(imported, "tiny")
    path.unlink()
    with pytest.raises(CheckpointError, match="missing"):
        load_weights(imported, "tiny")


def test_weights_of_another_network_or_convention_are_refused(imported: Path) -> None:
    with pytest.raises(CheckpointError, match="weights of 'tiny'"):
        load_weights(imported, "waveglow")
    card = json.loads((imported / CARD_NAME).read_text())
    (imported / CARD_NAME).write_text(json.dumps(card | {"mel_digest": "0" * 64}))
    with pytest.raises(CheckpointError, match="mel convention 'melgan' was another"):
        load_weights(imported, "tiny")


def test_other_weights_are_not_overwritten_unasked(tmp_path: Path, imported: Path) -> None:
    before = (imported / TENSORS_NAME).read_bytes()
    assert import_weights(tmp_path / "g.pt", "tiny", imported) == read_card(imported)
    other = tmp_path / "other.safetensors"
    save_file(tiny_checkpoint.random_state(1), other)
    with pytest.raises(CheckpointError, match="already holds other weights"):
        import_weights(other, "tiny", imported)
    assert (imported / TENSORS_NAME).read_bytes() == before
    card = import_weights(other, "tiny", imported, overwrite=True)
    assert card.source_file == "other.safetensors"


@pytest.mark.parametrize(
    "error", [OSError("no space left"), SafetensorError("I/O error: no space left (os error 28)")]
)
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def no_space(*_: object) -> None:
        raise error

    import_weights(saved(STATE, tmp_path), "tiny", tmp_path / "w")
    before = {path.name: path.read_bytes() for path in (tmp_path / "w").iterdir()}
    other = saved(tiny_checkpoint.random_state(1), tmp_path, "other.pt")
    monkeypatch.setattr(checkpoints, "save_file", no_space)
    for folder, left in (("w", before), ("new", {})):
        with pytest.raises(CheckpointError, match=r"cannot be written to .*no space left.*make r"):
            import_weights(other, "tiny", tmp_path / folder, overwrite=True)
        assert {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()} == left


@pytest.mark.parametrize("value", [float("nan"), [1]])
def test_a_card_that_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    """A layout of somebody's own may find settings that no card can hold."""
    import_weights(saved(STATE, tmp_path), "tiny", tmp_path / "w")
    before = {path.name: path.read_bytes() for path in (tmp_path / "w").iterdir()}
    found = tiny_checkpoint.recognise(STATE, {"n_layers": value})
    layout = CheckpointLayout("tiny", recognise=lambda tensors, _: replace(found, tensors=tensors))
    monkeypatch.setattr(checkpoints, "find_layout", lambda _: layout)
    other = saved(tiny_checkpoint.random_state(1), tmp_path, "other.pt")
    with pytest.raises(CheckpointError, match=r"'tiny' have n_layers .*no weights card"):
        import_weights(other, "tiny", tmp_path / "w", overwrite=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "w").iterdir()} == before


def test_directions_of_length_zero_are_refused(tmp_path: Path) -> None:
    """Weight norm divides by the length: 0 / 0 would be found only when NaN comes out."""
    direction = STATE["conv.weight_v"].clone()
    direction[1] = 0
    with pytest.raises(CheckpointError, match=r"conv\.weight_v has directions of length 0"):
        import_weights(
            saved(STATE | {"conv.weight_v": direction}, tmp_path), "tiny", tmp_path / "w"
        )
    lengths = STATE | {"conv.weight_g": torch.zeros(3, 1, 1)}  # a dead layer, but a defined one
    import_weights(saved(lengths, tmp_path), "tiny", tmp_path / "w")
