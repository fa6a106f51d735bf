"""Weights that come with the package: when they speak unasked, and how they are marked."""

import json
from pathlib import Path

import pytest

import evalsuite.weights
from evalsuite.errors import Unavailable
from evalsuite.manifest import Manifest, SystemRecord
from evalsuite.model_card import HeldOutScore, ModelCard, write_model_card
from evalsuite.registry import availability
from evalsuite.report.checklist import manifest_stamps
from evalsuite.shipped_weights import shipped_folder, shortfall
from evalsuite.weights import CARD_NAME, find_weights

CARD = {
    "vocoder": "melgan", "source_file": "x", "source_sha256": "x", "weights_sha256": "ab" * 32,
    "layout": "plain", "key_map": {}, "config": {}, "mel": "melgan", "mel_digest": "x",
}  # fmt: skip


def model_card(log_mel_l1: float | None) -> ModelCard:
    """Card of weights with this log-mel L1; Griffin-Lim has 0.06. None = never measured."""
    scores = [("log_mel_l1", log_mel_l1, 0.06), ("m_stft", 0.8, 0.9)]
    held_out = [
        HeldOutScore(metric=name, mean=mean, griffin_lim=bar, n_clips=3, higher_is_better=False)
        for name, mean, bar in scores
        if mean is not None and log_mel_l1 is not None
    ]
    return ModelCard(
        name="melgan", weights_sha256="ab" * 32, precision="float16", n_parameters=1, n_bytes=2,
        largest_rounding_error=0.0, steps=1, data=("x",), config={}, mel="melgan", mel_digest="x",
        held_out=tuple(held_out), licence="MIT",
    )  # fmt: skip


def write_weights(folder: Path, card: ModelCard | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / CARD_NAME).write_text(json.dumps(CARD))
    if card is not None:
        write_model_card(folder, card)
    return folder


@pytest.fixture
def ship(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where weights ship from in this test; empty at first."""
    folder = tmp_path / "shipped" / "melgan"

    def find(vocoder: str) -> Path | None:
        return folder if vocoder == "melgan" and folder.is_dir() else None

    monkeypatch.setattr(evalsuite.weights, "shipped_folder", find)
    monkeypatch.setenv("EVALSUITE_WEIGHTS", str(tmp_path / "weights"))
    return folder


def test_weights_better_than_griffin_lim_speak_unasked(ship: Path) -> None:
    write_weights(ship, model_card(0.05))
    assert find_weights("melgan", None) == ship
    assert availability("melgan").available


@pytest.mark.parametrize("log_mel_l1", [0.2, None])
def test_weights_below_griffin_lim_must_be_asked_for(ship: Path, log_mel_l1: float | None) -> None:
    write_weights(ship, model_card(log_mel_l1))
    with pytest.raises(Unavailable, match=r"BELOW GRIFFIN-LIM.*write melgan:shipped"):
        find_weights("melgan", None)
    assert find_weights("melgan", "shipped") == ship
    assert not availability("melgan").available


def test_imported_weights_win(ship: Path, tmp_path: Path) -> None:
    write_weights(ship, model_card(0.05))
    own = write_weights(tmp_path / "weights" / "own")
    assert find_weights("melgan", None) == own
    named = write_weights(tmp_path / "weights" / "shipped")
    assert find_weights("melgan", "shipped") == named
    with pytest.raises(Unavailable, match="2 sets of weights"):
        find_weights("melgan", None)


def test_without_shipped_weights_the_advice_is_to_import(ship: Path) -> None:
    with pytest.raises(Unavailable, match="evalsuite weights import FILE --vocoder melgan"):
        find_weights("melgan", None)
    assert find_weights("melgan", "shipped") == Path("shipped")


def test_other_vocoders_have_none() -> None:
    assert shipped_folder("griffin_lim") is None


def test_shortfall_names_figures_of_all_clips_only() -> None:
    assert shortfall(model_card(0.05)) == ""
    assert shortfall(model_card(0.2)) == (
        "BELOW GRIFFIN-LIM on held-out clips (log_mel_l1 0.2 against 0.06)"
    )


def test_a_run_with_weak_weights_is_stamped() -> None:
    sources = {
        "ours": f"train: 5 steps; {shortfall(model_card(0.2))}",
        "gl": "Griffin and Lim 1984",
    }
    systems = tuple(
        SystemRecord.model_construct(label=label, source=source, untrained=False)
        for label, source in sources.items()
    )
    manifest = Manifest.model_construct(systems=systems, synthetic_speech=False)
    assert manifest_stamps(manifest) == [
        "ours: BELOW GRIFFIN-LIM on held-out clips (log_mel_l1 0.2 against 0.06)"
    ]
