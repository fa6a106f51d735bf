"""The ClariNet teacher against the published way of running it, on this machine.

``python -m vocoders.clarinet_teacher_speed`` times, in turns on one thread, one step of the open
implementation, which multiplies the whole receptive field anew, and the rings with one utterance
and with many side by side. It is a script of its own because an utterance cannot show it soon: the
published loop is cheap in its first 2078 steps, in which it has less to look back on, and as slow
as here for the rest. Prints a Markdown table.
"""

import statistics
import sys
import time
from collections.abc import Sequence

import torch

from evalsuite.paired_ratio import paired_ratio
from evalsuite.provenance import cpu_name, load_average
from vocoders.clarinet_network import Teacher
from vocoders.clarinet_teacher import RingTeacher
from vocoders.clarinet_weights import random_clarinet
from vocoders.layers import remove_weight_norm

__all__ = ["main", "ring_speed_khz", "whole_field_speed_khz"]

_BATCHES = (1, 4, 16, 64)
_ROUNDS = 5
_STEPS = 256
_WHOLE_STEPS = 3


def whole_field_speed_khz(network: Teacher, n_steps: int = _WHOLE_STEPS) -> float:
    """Speed of single steps that each compute the whole receptive field, in kHz.

    Parameters
    ----------
    network : without weight norm, as the published script removes it.
    """
    field, n_mels = network.config.receptive_field, network.clarinet_config.n_mels
    audio, conditioning = torch.zeros(1, 1, field), torch.zeros(1, n_mels, field)
    start = time.process_time()
    for _ in range(n_steps):
        network.distribution(audio, conditioning)
    return n_steps / (time.process_time() - start) / 1000


def ring_speed_khz(teacher: RingTeacher, n_utterances: int, n_steps: int = _STEPS) -> float:
    """Speed of utterances of equal length side by side, all together, in kHz."""
    n_frames = -(-n_steps // teacher.hop_length)
    n_mels = teacher.matrices.layers[0].condition.shape[0]
    mels = [torch.zeros(n_mels, n_frames) for _ in range(n_utterances)]
    noises = [torch.zeros(n_steps) for _ in range(n_utterances)]
    start = time.process_time()
    made = teacher(mels, noises)
    seconds = time.process_time() - start
    return sum(len(audio) for audio in made) / seconds / 1000


def _measure(n_rounds: int) -> tuple[list[float], dict[int, list[float]]]:
    network = random_clarinet(seed=0).teacher
    remove_weight_norm(network)
    network.eval()
    teacher = RingTeacher(network, most_lanes=max(_BATCHES))
    whole: list[float] = []
    rings: dict[int, list[float]] = {size: [] for size in _BATCHES}
    with torch.inference_mode():
        for number in range(n_rounds + 1):
            speed = whole_field_speed_khz(network)
            speeds = {size: ring_speed_khz(teacher, size) for size in _BATCHES}
            if number == 0:
                continue  # the first round warms up
            whole.append(speed)
            for size, one in speeds.items():
                rings[size].append(one)
    return whole, rings


def _as_markdown(whole: Sequence[float], rings: dict[int, list[float]]) -> str:
    lines = [
        "| teacher | kHz | ratio | lowest | highest |",
        "| --- | ---: | ---: | ---: | ---: |",
        f"| whole receptive field a step | {statistics.median(whole):.3g} | 1 | | |",
    ]
    for size, speeds in rings.items():
        ratio = paired_ratio(speeds, whole)
        lines.append(
            f"| rings, {size} side by side | {statistics.median(speeds):.3g} | {ratio.median:,.0f} "
            f"| {ratio.low:,.0f} | {ratio.high:,.0f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Print the table, and what it was measured on."""
    torch.set_num_threads(1)
    before = load_average()
    print(_as_markdown(*_measure(_ROUNDS)))
    known = "unknown" if before is None else f"{before:.2f}"
    print(f"\n{cpu_name()}, 1 thread, random weights, CPU time, load average before: {known}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
