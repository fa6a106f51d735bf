"""The variants of the paper's table 2, trained for the same few hundred steps on the same set.

``python -m vocoders.training.variants -o OUT`` trains each packaged variant in a size that a CPU
manages in a minute, and prints a Markdown table: that it runs, that its losses are finite and
fall, what its samples look like to the gate. It says nothing about quality; the parameter counts
are those of the full size. Without ``--data`` the set is made of tones (`vocoders.training.tones`):
in so few steps so small a network does not reach the level of speech.

*Writes* ``OUT/<variant>/``, one training each (`vocoders.training.trainer`).
"""

import argparse
import csv
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalsuite.errors import EvalsuiteError
from evalsuite.gate.check import check_run
from vocoders.training.catalogue import ConfigSize, network_sizes
from vocoders.training.config import load_config
from vocoders.training.data import Recordings
from vocoders.training.limits import Limits
from vocoders.training.progress import ProgressLine, TrainingProgress
from vocoders.training.tones import write_tone_corpus
from vocoders.training.trainer import TrainingResult, train

__all__ = ["SMALL", "VARIANTS", "VariantRow", "as_markdown", "compare"]

#: Baseline, the rows of table 2 in its order, and the two of the demo page alone.
VARIANTS = (
    "melgan",
    "spectral_norm",
    "l1_audio",
    "no_window_discriminator",
    "no_dilations",
    "single_discriminator",
    "no_weight_norm",
    "no_group_discriminator",
    "l1_no_feature_matching",
)
#: What makes them small. A few hundred adversarial steps give noise, so a warm-up comes first, and
#: its losses stay beside the adversarial ones, alike for all. Without a weight on the DC offset it
#: is chance whether that has gone by then: the spectral losses hardly see it.
SMALL = (
    "generator.base_channels=8",
    "generator.n_residual_layers=2",
    "discriminator.base_channels=8",
    "discriminator.n_layers=2",
    "discriminator.max_channels=64",
    "data.segment_samples=4096",
    "data.batch_size=2",
    "data.valid_clips=2",
    "warm_up.steps=200",
    "warm_up.learning_rate=5e-3",
    "warm_up.final_learning_rate=1e-4",
    "warm_up.dc_offset=50",
    "losses.log_mel_l1=5",
    "losses.stft=5",
    "losses.dc_offset=50",
    "optimiser.max_gradient_norm=10",
    "optimiser.learning_rate=1e-4",
    "run.log_interval=10",
    "run.valid_max_clips=2",
    "run.checkpoint_interval=0",
    "run.valid_interval=0",
)
_N_STEPS = 300
_WINDOW = 3  # log lines at either end
_HINGE = "discriminator/hinge"  # logged in the adversarial phase alone


@dataclass(frozen=True)
class VariantRow:
    """What became of one variant.

    Parameters
    ----------
    sizes : of the full-size networks.
    warm_up : generator's loss at the beginning and the end of the phase without discriminator.
    hinge : discriminator's loss at the beginning and the end of the adversarial phase.
    finite : all logged losses are finite and no update was skipped.
    log_mel_l1 : on held-out clips, decades.
    findings : errors and warnings of the gate, each fault once with its number.
    """

    name: str
    sizes: ConfigSize
    warm_up: tuple[float, float]
    hinge: tuple[float, float]
    finite: bool
    log_mel_l1: float
    findings: str


def compare(
    recordings: Recordings,
    out: Path,
    *,
    variants: Sequence[str] = VARIANTS,
    settings: Sequence[str] = SMALL,
    n_steps: int = _N_STEPS,
    progress: TrainingProgress | None = None,
) -> list[VariantRow]:
    """Train each variant and look at its samples.

    Parameters
    ----------
    settings : overrides that make the networks small.

    Raises
    ------
    As `vocoders.training.trainer.train`.
    """
    rows = []
    for name in variants:
        config, kind = load_config(name, settings)
        result = train(
            config, kind, recordings, out / name,
            limits=Limits(n_steps), cache=out / "audio", fresh=True, progress=progress,
        )  # fmt: skip
        if result.samples is None:
            raise KeyboardInterrupt  # it was stopped, and has saved
        rows.append(_row(name, out / name / "log.csv", result))
    return rows


def _row(name: str, log: Path, result: TrainingResult) -> VariantRow:
    losses = _read_losses(log)
    skipped = losses.pop("skipped_updates")
    totals, hinge = losses["generator/total"], losses[_HINGE]
    values = [value for found in losses.values() for value in found.values()]
    assert result.samples is not None
    return VariantRow(
        name,
        network_sizes(*load_config(name)),
        _ends([value for step, value in totals.items() if step not in hinge]),
        _ends(list(hinge.values())),
        all(map(math.isfinite, values)) and not any(skipped.values()),
        result.validation["log_mel_l1"],
        _findings(result.samples),
    )


def as_markdown(rows: Sequence[VariantRow]) -> str:
    """Render the table; arrows go from the first to the last log lines of a phase."""
    lines = [
        "| variant | G with norm | G folded | D with norm | warm-up loss | hinge loss | finite "
        "| held-out log-mel L1 | gate |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        trained, folded = row.sizes.as_trained, row.sizes.folded
        lines.append(
            f"| {row.name} | {trained['generator']:,} | {folded['generator']:,} "
            f"| {trained['discriminator']:,} | {_arrow(row.warm_up)} | {_arrow(row.hinge)} "
            f"| {'yes' if row.finite else 'NO'} | {row.log_mel_l1:.2f} | {row.findings} |"
        )
    return "\n".join(lines)


def _arrow(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.2f} → {pair[1]:.2f}"


def _read_losses(path: Path) -> dict[str, dict[int, float]]:
    """Losses by name and step."""
    losses: dict[str, dict[int, float]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["part"] == "train":
                losses.setdefault(row["name"], {})[int(row["step"])] = float(row["value"])
    return losses


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Mean of the first and of the last log lines."""
    return statistics.fmean(values[:_WINDOW]), statistics.fmean(values[-_WINDOW:])


def _findings(samples: Path) -> str:
    report = check_run(samples)
    faults = [(one.severity, one.fault) for one in report.findings if one.severity != "note"]
    counts = {fault: faults.count(fault) for fault in dict.fromkeys(faults)}
    listed = [f"{count} × {severity}: {fault}" for (severity, fault), count in counts.items()]
    return ", ".join([("passed" if report.passed else "FAILED"), *listed])


def _main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m vocoders.training.variants", description="Train the variants of table 2."
    )
    parser.add_argument("variants", nargs="*", default=VARIANTS)
    parser.add_argument("--data", type=Path, help="recordings; default: tones")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=_N_STEPS)
    given = parser.parse_args()
    data = given.data or write_tone_corpus(given.output / "tones")
    recordings = Recordings(data, synthetic_speech=given.data is None)
    with ProgressLine() as progress:
        rows = compare(
            recordings, given.output, variants=given.variants, n_steps=given.steps,
            progress=progress,
        )  # fmt: skip
    print(as_markdown(rows))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(_main())
    except EvalsuiteError as error:
        sys.exit(f"{type(error).__name__}: {error}")
