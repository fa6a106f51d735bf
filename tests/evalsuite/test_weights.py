"""Cards of weights folders, read without torch."""

import json
from pathlib import Path

import pytest

from evalsuite.errors import CheckpointError, Unavailable
from evalsuite.weights import CARD_NAME, find_weights, list_weights, read_card, weights_root

CARD = {
    "schema_version": 1,
    "vocoder": "melgan",
    "source_file": "best_netG.pt",
    "source_sha256": "ab",
    "weights_sha256": "cd",
    "layout": "weight_g, weight_v",
    "key_map": {},
    "config": {"n_mels": 80},
    "mel": "melgan",
    "mel_digest": "ef",
}


def write_card(folder: Path, **changes: object) -> Path:
    folder.mkdir(parents=True)
    (folder / CARD_NAME).write_text(json.dumps(CARD | changes))
    return folder


def test_a_card_is_read(tmp_path: Path) -> None:
    card = read_card(write_card(tmp_path / "w", licence="CC0"))
    unsaid = {"source": "", "container": "", "companions": {}}
    assert card.model_dump() == CARD | unsaid | {"licence": "CC0"}


def test_the_root_is_the_environment_or_a_folder_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVALSUITE_WEIGHTS", raising=False)
    assert weights_root() == Path("weights")
    monkeypatch.setenv("EVALSUITE_WEIGHTS", "/elsewhere")
    assert weights_root() == Path("/elsewhere")


def test_cards_are_found_below_the_root(tmp_path: Path) -> None:
    write_card(tmp_path / "lj")
    write_card(tmp_path / "group" / "vctk", vocoder="other")
    found = list_weights(tmp_path)
    assert {path.name: card.vocoder for path, card in found.items()} == {
        "lj": "melgan",
        "vctk": "other",
    }


def test_the_only_fitting_weights_are_taken(tmp_path: Path) -> None:
    lj = write_card(tmp_path / "lj")
    write_card(tmp_path / "other", vocoder="other")
    assert find_weights("melgan", None, root=tmp_path) == lj
    assert find_weights("melgan", "lj", root=tmp_path) == lj
    assert find_weights("melgan", str(lj), root=Path("nowhere")) == lj


def test_two_fitting_weights_must_be_chosen_from(tmp_path: Path) -> None:
    write_card(tmp_path / "a")
    write_card(tmp_path / "b")
    with pytest.raises(Unavailable, match=r"2 sets of weights.*/a, melgan:.*/b"):
        find_weights("melgan", None, root=tmp_path)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"mel": None}, "mel"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_card_names_the_key(tmp_path: Path, changes: dict[str, object], where: str) -> None:
    with pytest.raises(CheckpointError, match=f"not a weights card: {where}"):
        read_card(write_card(tmp_path / "w", **changes))


def test_a_folder_without_a_card_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="evalsuite weights import"):
        read_card(tmp_path)
