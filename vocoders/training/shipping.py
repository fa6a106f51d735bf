"""Weights that ship: a generator in float16 with cards that say what it is worth.

*Writes* ``FOLDER/weights.safetensors`` and ``weights.json`` (`evalsuite.weights`), and
``FOLDER/model_card.json`` (`evalsuite.model_card`).
"""

import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from evalsuite.audio import read_wave
from evalsuite.errors import CheckpointError
from evalsuite.files import write_json
from evalsuite.metrics import Metric
from evalsuite.model_card import HeldOutScore, ModelCard, write_model_card
from evalsuite.registry import create_vocoder, parse_system
from evalsuite.shipped_weights import shortfall
from evalsuite.vocoder import Vocoder
from evalsuite.weights import CARD_NAME, TENSORS_NAME, read_card
from vocoders.training.export import export_generator
from vocoders.training.held_out import (
    HeldOutClip,
    Score,
    held_out_metrics,
    mean_scores,
    measure_held_out,
    prepare,
    resynthesise,
)
from vocoders.training.melgan_config import MelganConfig
from vocoders.training.melgan_step import MelganStep
from vocoders.training.snapshot import Snapshot

__all__ = ["LARGEST_FILE_BYTES", "export_weights", "render_card"]

LARGEST_FILE_BYTES = 9_000_000
DATA = (
    "kathleen: US English, one woman, CMU ARCTIC prompts (rhasspy/dataset-voice-kathleen, CC0 1.0)",
    "flemishguy: Flemish Dutch, one man (rhasspy/dataset-voice-flemishguy, CC0 1.0)",
    "LJ Speech 1.1: US English, one woman, 37 clips (Keith Ito, LibriVox; public domain)",
)
_PAPER_STEPS = 2_500_000
_OURS, _BASELINE = "ours", "griffin_lim"
_CLIPS_FOR_ROUNDING = 10


def export_weights(
    snapshot: Snapshot,
    folder: Path,
    clips: Sequence[HeldOutClip] = (),
    *,
    data: Sequence[str] = DATA,
    faults: Sequence[str] = (),
    licence: str = "MIT",
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> ModelCard:
    """Write a MelGAN generator in float16, measure it beside Griffin-Lim, and say so on its cards.

    Parameters
    ----------
    clips : held-out recordings; without them the card says that nothing was measured.
    data, faults, licence : for the card; faults that follow from the training itself are added.

    Raises
    ------
    CheckpointError if the training is no MelGAN, does not fit its configuration, or its
    generator takes over 9 MB.
    """
    config = _melgan_config(snapshot)
    step = _restored(snapshot, config)
    n_steps = snapshot.n_steps
    export_generator(step.generator, config, folder, n_steps=n_steps, dtype=torch.float16)
    _refuse_large(folder / TENSORS_NAME)
    with TemporaryDirectory() as exact:
        export_generator(step.generator, config, Path(exact), n_steps=n_steps)
        rounding = _largest_change(Path(exact), folder)
        snr_db = _output_snr_db(Path(exact), folder, clips[:_CLIPS_FOR_ROUNDING])
    metrics = held_out_metrics()
    systems = {_OURS: _melgan(folder), _BASELINE: create_vocoder(parse_system("griffin_lim"))}
    scores = measure_held_out(systems, clips, metrics, progress=progress)
    weights = read_card(folder)
    card = ModelCard(
        name=config.name,
        weights_sha256=weights.weights_sha256,
        precision="float16",
        n_parameters=sum(tensor.numel() for tensor in load_file(folder / TENSORS_NAME).values()),
        n_bytes=(folder / TENSORS_NAME).stat().st_size,
        largest_rounding_error=rounding,
        output_snr_db=snr_db,
        steps=n_steps,
        losses={k: v for k, v in snapshot.losses.items() if math.isfinite(v)},
        data=tuple(data),
        config=config.model_dump(mode="json", exclude={"start"}),
        mel=weights.mel,
        mel_digest=weights.mel_digest,
        held_out=tuple(_held_out(scores, metrics)),
        held_out_clips=tuple(clip.id for clip in clips),
        not_measured=tuple(_not_measured(metrics, clips)),
        known_faults=(*_faults_of_training(snapshot, config), *faults),
        licence=licence,
    )
    below = shortfall(card)
    source = f"{weights.source}; {below}" if below else weights.source
    marked = weights.model_copy(update={"source": source, "licence": licence})
    write_json(folder / CARD_NAME, marked.model_dump())
    write_model_card(folder, card)
    return card


def render_card(card: ModelCard) -> str:
    """Markdown table of the held-out scores, with what stands around it in docs/weights.md."""
    lines = [
        f"`{card.name}` after {card.steps:,} steps, {card.n_parameters:,} parameters, "
        f"{card.n_bytes / 1e6:.1f} MB in {card.precision}.",
        "",
        "| clips | n | metric | ours | Griffin-Lim | ours is |",
        "|---|---|---|---|---|---|",
    ]
    for one in card.held_out:
        arrow = "↑" if one.higher_is_better else "↓"
        lines.append(
            f"| {one.group} | {one.n_clips} | {one.metric} {arrow} | {one.mean:.3f} | "
            f"{one.griffin_lim:.3f} | {'better' if one.beats_griffin_lim else 'worse'} |"
        )
    snr = "" if card.output_snr_db is None else f", {card.output_snr_db:.0f} dB below the output"
    lines += [
        "",
        f"Rounding to {card.precision}: at most {card.largest_rounding_error:.1e} of a tensor"
        f"{snr}.",
        "Losses: "
        + (", ".join(f"{k} {v:.4g}" for k, v in card.losses.items()) or "not kept")
        + ".",
        "Not measured: " + ("; ".join(card.not_measured) or "nothing") + ".",
        "Known faults: " + ("; ".join(card.known_faults) or "nobody has looked") + ".",
        "Default: " + (shortfall(card) or "yes, better than Griffin-Lim on held-out clips") + ".",
    ]
    return "\n".join(lines)


def _melgan_config(snapshot: Snapshot) -> MelganConfig:
    if not isinstance(snapshot.config, MelganConfig) or "networks" not in snapshot.step:
        raise CheckpointError(
            f"the training {snapshot.config.name!r} is no MelGAN",
            wanted="a training whose step is melgan",
            do="export only MelGANs",
        )
    start = type(snapshot.config.start)()  # its networks are in the snapshot
    return snapshot.config.model_copy(update={"start": start})


def _restored(snapshot: Snapshot, config: MelganConfig) -> MelganStep:
    step = MelganStep(config, torch.device("cpu"))
    try:
        step.load_state_dict(snapshot.step)
    except (RuntimeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"the state does not fit: {' '.join(str(error).split())[:300]}",
            wanted=f"networks of the configuration {config.name}",
            do="name the configuration it was trained with",
        ) from error
    return step


def _refuse_large(path: Path) -> None:
    n_bytes = path.stat().st_size
    if n_bytes > LARGEST_FILE_BYTES:
        path.unlink()
        raise CheckpointError(
            f"the generator takes {n_bytes / 1e6:.1f} MB in float16",
            wanted=f"at most {LARGEST_FILE_BYTES / 1e6:.0f} MB to ship",
            do="ship a smaller network",
        )


def _melgan(folder: Path) -> Vocoder:
    return create_vocoder(parse_system(f"melgan:{folder}"))


def _largest_change(exact: Path, rounded: Path) -> float:
    """Largest relative Euclidean change of a tensor."""
    before, after = load_file(exact / TENSORS_NAME), load_file(rounded / TENSORS_NAME)

    def change(name: str) -> float:
        one: Tensor = before[name].double()
        norm = float(one.norm())
        return float((after[name].double() - one).norm()) / norm if norm else 0.0

    return max(change(name) for name in before)


def _output_snr_db(exact: Path, rounded: Path, clips: Sequence[HeldOutClip]) -> float | None:
    """Level of the output over what rounding the weights changed of it, over all clips."""
    if not clips:
        return None
    vocoders = _melgan(exact), _melgan(rounded)
    signal = noise = 0.0
    for clip in clips:
        reference = prepare(read_wave(clip.path, id=clip.id))
        one, other = (resynthesise(v, reference).samples.astype(np.float64) for v in vocoders)
        signal += float(np.sum(one**2))
        noise += float(np.sum((other - one) ** 2))
    return 10 * math.log10(signal / noise) if signal and noise else None


def _held_out(scores: Sequence[Score], metrics: Sequence[Metric]) -> list[HeldOutScore]:
    means = mean_scores(scores)
    groups = dict.fromkeys(("all", *(one.group for one in scores)))
    return [
        HeldOutScore(
            metric=metric.name,
            group=group,
            mean=means[_OURS, group, metric.name][0],
            griffin_lim=means[_BASELINE, group, metric.name][0],
            n_clips=means[_OURS, group, metric.name][1],
            higher_is_better=metric.higher_is_better,
        )
        for group in groups
        for metric in metrics
        if (_OURS, group, metric.name) in means
    ]


def _not_measured(metrics: Sequence[Metric], clips: Sequence[HeldOutClip]) -> list[str]:
    missing = [] if clips else ["held-out clips (no corpus was given)"]
    if find_spec("pesq") is None:
        missing.append("PESQ (the package pesq is not installed)")
    return [*missing, "DNSMOS (no local model)", "listeners' scores (nobody has rated it)"]


def _faults_of_training(snapshot: Snapshot, config: MelganConfig) -> list[str]:
    share = snapshot.n_steps / _PAPER_STEPS
    faults = [f"trained for {100 * share:.2g} % of the paper's 2.5 million steps"]
    if snapshot.n_steps <= config.warm_up.steps:
        faults.append(
            "no adversarial training yet: only spectral losses, which say nothing about phase"
        )
    return faults
