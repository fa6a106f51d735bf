"""Held-out clips through the trained model, as a run folder the rest of the suite can use."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch

from evalsuite.audio import write_wave
from evalsuite.generate import GenerateResult, generate, parse_settings
from evalsuite.system_text import parse_system
from evalsuite.types import Utterance
from vocoders.training.audio_store import AudioStore
from vocoders.training.step import TrainingStep
from vocoders.training.validation import resynthesise

__all__ = ["write_reconstructions", "write_samples"]


def write_reconstructions(
    folder: Path, step: TrainingStep, store: AudioStore, clips: Sequence[int], device: torch.device
) -> None:
    """Write what a model makes of recordings as finished files, for ``recorded:FOLDER``.

    For models that take audio and not a mel, such as the VQ-VAE: no vocoder comes out of them.

    Parameters
    ----------
    folder : of 16-bit files, named by utterance id.
    clips : numbers of the recordings in the store; they are taken at the training's peak.
    """
    for clip in clips:
        _, made = resynthesise(step, store, clip, device)
        write_wave(folder / f"{made.id}.wav", made, dither_seed=clip)


def write_samples(
    run: Path,
    utterances: Sequence[Utterance],
    system: str,
    *,
    label: str,
    sample_rate: int,
    device: str = "cpu",
    synthetic_speech: bool = False,
) -> GenerateResult:
    """Write matched samples of the recordings and of the trained model.

    Parameters
    ----------
    run : folder for ``evalsuite check``, ``metrics``, ``study new``; what fits in it is reused.
    system : such as ``melgan:FOLDER`` or ``recorded:FOLDER``.
    label : of the trained model in the run; characters that no label may have become ``_``.
    synthetic_speech : the recordings are not human speech, which marks the run.

    Raises
    ------
    As `evalsuite.generate.generate`.
    """
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in label)
    if not safe[:1].isalnum() or safe == "original":
        safe = f"trained_{safe}"
    trained = dataclasses.replace(parse_system(system), label=safe)
    return generate(
        run,
        utterances,
        [parse_system("original"), trained],
        parse_settings(sample_rate=sample_rate),
        device=device,
        synthetic_speech=synthetic_speech,
    )
