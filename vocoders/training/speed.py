"""How much each optimisation of the training loop is worth on this machine.

``python -m vocoders.training.speed --data RECORDINGS [--set data.batch_size=8] [--compile]``
trains the same network on the same crops in several ways, a few steps of each in turn, so that
whatever else the machine does meets all of them alike, and prints a Markdown table. With one
thread on a CPU it counts CPU time, else wall time. Nothing is saved.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalsuite.errors import EvalsuiteError, UsageError
from evalsuite.provenance import cpu_name, load_average
from vocoders.discriminator import Judgement
from vocoders.layers import choose_device
from vocoders.training.adversary import Adversary
from vocoders.training.audio_store import AudioStore, decode
from vocoders.training.config import load_config
from vocoders.training.crops import CropStream
from vocoders.training.data import Recordings, open_data
from vocoders.training.distributed import Processes
from vocoders.training.loop import StepClock
from vocoders.training.melgan_config import MelganConfig
from vocoders.training.melgan_step import MelganStep
from vocoders.training.progress import Silent

__all__ = ["CASES", "Case", "Lane", "Measured", "as_markdown", "measure"]


@dataclass(frozen=True)
class Case:
    """One way to run the loop.

    Parameters
    ----------
    bfloat16 : networks in mixed precision.
    cached : crops come from the decoded cache; else each is cut from its file, decoded anew.
    one_pass : the discriminator judges fake and real audio of its own update together.
    fused : one kernel for Adam's whole update; else one operation after the other.
    compiled : networks through torch.compile.
    """

    name: str
    bfloat16: bool = False
    cached: bool = True
    one_pass: bool = True
    fused: bool = True
    compiled: bool = False


#: The first is the yardstick. Each later one but the last two differs from the second in one
#: point.
CASES = (
    Case("none of them", cached=False, one_pass=False, fused=False),
    Case("the default: cache, one pass, fused Adam"),
    Case("default, but decoding from files", cached=False),
    Case("default, but two passes of the discriminator", one_pass=False),
    Case("default, but Adam not fused", fused=False),
    Case("default in bfloat16", bfloat16=True),
)
COMPILED = (
    Case("default, compiled", compiled=True),
    Case("default in bfloat16, compiled", bfloat16=True, compiled=True),
)


@dataclass(frozen=True)
class Measured:
    """Medians over rounds.

    Parameters
    ----------
    samples_per_s : audio samples that go through a step, per second.
    speed_up : against the first case: median of the ratios within each round.
    data_share : of the time of a step, for fetching its batch.
    first_step_s : duration of the very first step, compilation included.
    """

    case: Case
    samples_per_s: float
    speed_up: float
    data_share: float
    first_step_s: float


def measure(
    config: MelganConfig,
    recordings: Recordings,
    cache: Path,
    *,
    cases: Sequence[Case] = CASES,
    device: str = "cpu",
    n_rounds: int = 5,
    n_steps: int = 3,
) -> list[Measured]:
    """Measure all cases in turn, `n_rounds` times `n_steps` steps each after one that is free."""
    data = open_data(recordings, cache, config, processes=Processes(), progress=Silent())
    chosen = choose_device(device)
    lanes = [Lane(case, config, data.store, data.split.train, chosen) for case in cases]
    first_steps = [lane.run(1).step_s for lane in lanes]
    rounds = [[lane.run(n_steps) for lane in lanes] for _ in range(n_rounds)]
    n_samples = config.data.batch_size * config.data.segment_samples
    found = []
    for number, (case, first_s) in enumerate(zip(cases, first_steps, strict=True)):
        clocks = [clocks[number] for clocks in rounds]
        ratios = [clocks[number].steps_per_s / clocks[0].steps_per_s for clocks in rounds]
        found.append(
            Measured(
                case,
                n_samples * statistics.median(clock.steps_per_s for clock in clocks),
                statistics.median(ratios),
                statistics.median(clock.data_share for clock in clocks),
                first_s,
            )
        )
    return found


def as_markdown(found: Sequence[Measured]) -> str:
    """Render the table.

    >>> print(as_markdown([Measured(Case("plain"), 1000.0, 1.0, 0.5, 2.0)]))
    | loop | samples/s | speed-up | data, % of a step | first step, s |
    |---|---|---|---|---|
    | plain | 1,000 | 1.00 | 50.00 | 2.0 |
    """
    lines = ["| loop | samples/s | speed-up | data, % of a step | first step, s |",
             "|---|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {one.case.name} | {one.samples_per_s:,.0f} | {one.speed_up:.2f} | "
        f"{100 * one.data_share:.2f} | {one.first_step_s:.1f} |"
        for one in found
    ]
    return "\n".join(lines)


class Lane:
    """One case: its own networks, its own crops; `losses` are those of its last step."""

    def __init__(
        self,
        case: Case,
        config: MelganConfig,
        store: AudioStore,
        clips: Sequence[int],
        device: torch.device,
    ) -> None:
        precision = "bfloat16" if case.bfloat16 else "float32"
        run = config.run.model_copy(update={"precision": precision, "compile": case.compiled})
        config = config.model_copy(update={"run": run})
        torch.manual_seed(config.seed)
        kind = MelganStep if case.one_pass else _TwoPasses
        self._step, self._device = kind(config, device), device
        if not case.fused:
            for optimiser in self._step.optimisers().values():
                for group in optimiser.param_groups:
                    group["fused"], group["foreach"] = False, False
        if not case.cached:
            store = _Files(store, config.data.peak)
        self._crops = CropStream(store, clips, config.data, seed=config.seed)
        self._generator = torch.Generator(device)
        self._n_done = 0
        self.losses: dict[str, float] = {}

    def run(self, n_steps: int) -> StepClock:
        """Do some steps and say how long they took."""
        clock, now = StepClock(), _clock(self._device)
        for _ in range(n_steps):
            started = now()
            batch = self._crops.batch(self._n_done, self._device)
            fetched = now()
            # Losses are numbers, so the device has finished when they are there.
            self.losses = self._step.run(batch, self._generator)
            clock.add(data_s=fetched - started, step_s=now() - fetched)
            self._n_done += 1
        return clock


def _clock(device: torch.device) -> Callable[[], float]:
    """CPU time where one thread does all: other work on the machine then hardly shows."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if alone else time.perf_counter


class _TwoPassAdversary(Adversary):
    """Judges fake and real audio one after the other, as the release does."""

    def judge_both(self, fake: Tensor, real: Tensor) -> tuple[list[Judgement], list[Judgement]]:
        return self.network(fake), self.network(real)


class _TwoPasses(MelganStep):
    adversary_class = _TwoPassAdversary


class _Files(AudioStore):
    """Decodes a recording for every crop that is cut from it."""

    def __init__(self, store: AudioStore, peak: float) -> None:
        super().__init__(np.empty(0, np.int16), store.clips, store.sample_rate)
        self._peak = peak

    def read(self, clip: int, start: int, n_samples: int) -> NDArray[np.int16]:
        samples = decode(self.clips[clip].utterance, self.sample_rate, self._peak)
        wanted = samples[start : start + n_samples]
        return np.pad(wanted, (0, n_samples - len(wanted)))


def _main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m vocoders.training.speed", description="Measure the training loop."
    )
    parser.add_argument("config", nargs="?", default="melgan")
    parser.add_argument("--data", type=Path, required=True, help="recordings")
    parser.add_argument("--set", action="append", default=[], help="key=value; repeatable")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="per round and case")
    parser.add_argument("--compile", action="store_true", help="torch.compile, too")
    given = parser.parse_args()
    config, _ = load_config(given.config, given.set)
    if not isinstance(config, MelganConfig):
        raise UsageError(
            f"{given.config} trains {config.step!r}", wanted="step: melgan", do="name another"
        )
    cases = CASES + (COMPILED if given.compile else ())
    with tempfile.TemporaryDirectory() as cache:
        found = measure(
            config, Recordings(given.data), Path(cache), cases=cases, device=given.device,
            n_rounds=given.rounds, n_steps=given.steps,
        )  # fmt: skip
    print(as_markdown(found))
    kind = "CPU time" if _clock(choose_device(given.device)) is time.process_time else "wall time"
    print(
        f"\n{kind}; {config.name}, batch {config.data.batch_size}, {given.rounds} rounds of "
        f"{given.steps} steps, {given.device}; {cpu_name()}, {torch.get_num_threads()} threads, "
        f"load {load_average()}"
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(_main())
    except EvalsuiteError as error:
        sys.exit(f"{type(error).__name__}: {error}")
