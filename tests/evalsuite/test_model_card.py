"""Model cards: read back as written, and strict about what may be the default."""

import json
from pathlib import Path

import pytest

from evalsuite.errors import CheckpointError
from evalsuite.model_card import (
    MODEL_CARD_NAME,
    HeldOutScore,
    ModelCard,
    read_model_card,
    write_model_card,
)


def score(metric: str, mean: float, baseline: float, group: str = "all") -> HeldOutScore:
    return HeldOutScore(
        metric=metric,
        group=group,
        mean=mean,
        griffin_lim=baseline,
        n_clips=5,
        higher_is_better=metric == "pesq_wb",
    )


def make_card(*held_out: HeldOutScore) -> ModelCard:
    return ModelCard(
        name="melgan",
        weights_sha256="ab" * 32,
        precision="float16",
        n_parameters=10,
        n_bytes=20,
        largest_rounding_error=3e-4,
        steps=5,
        data=("a voice",),
        config={"name": "melgan"},
        mel="melgan",
        mel_digest="ef",
        held_out=held_out,
        licence="MIT",
    )


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    card = make_card(score("log_mel_l1", 0.2, 0.1), score("pesq_wb", 2.0, 3.0, "LJ"))
    write_model_card(tmp_path, card)
    assert read_model_card(tmp_path) == card


@pytest.mark.parametrize(
    ("held_out", "fit"),
    [
        ((), False),
        ((("log_mel_l1", 0.05, 0.06), ("m_stft", 0.8, 0.9)), True),
        ((("log_mel_l1", 0.05, 0.06), ("m_stft", 0.9, 0.9)), False),
        ((("log_mel_l1", 0.05, 0.06),), False),
        ((("log_mel_l1", 0.05, 0.06), ("m_stft", 0.8, 0.9, "LJ")), False),
        ((("log_mel_l1", 0.05, 0.06), ("m_stft", 0.8, 0.9), ("pesq_wb", 1.0, 3.0)), True),
    ],
    ids=["unmeasured", "both", "equal-is-not-better", "one-missing", "one-group", "pesq-is-free"],
)
def test_what_may_be_the_default(held_out: tuple[tuple[str, float, float]], fit: bool) -> None:
    assert make_card(*(score(*one) for one in held_out)).may_be_default is fit


@pytest.mark.parametrize(
    ("key", "value"),
    [("weights_sha256", "short"), ("steps", -1), ("surprise", 1), ("precision", "int8")],
)
def test_a_wrong_card_names_the_key(tmp_path: Path, key: str, value: object) -> None:
    text = json.dumps(make_card().model_dump(mode="json") | {key: value})
    (tmp_path / MODEL_CARD_NAME).write_text(text)
    with pytest.raises(CheckpointError, match=f": {key}: "):
        read_model_card(tmp_path)


def test_a_missing_card_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="evalsuite weights export"):
        read_model_card(tmp_path)
