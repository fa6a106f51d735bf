"""The loop: data, step, log, validation, checkpoint, until a limit is met."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from vocoders.training.config import RunConfig, TrainingConfig
from vocoders.training.crops import CropStream
from vocoders.training.distributed import Processes, agree_to_stop, average_losses
from vocoders.training.limits import Limits, StopReason, StopRequest
from vocoders.training.log import Mean, TrainingLog
from vocoders.training.progress import StepReport, TrainingProgress
from vocoders.training.step import TrainingStep

__all__ = ["StepClock", "TrainingLoop", "step_seed"]

_STEP_SEED = 2  # beside those of order and crops


class StepClock:
    """Measures steps without what comes between them, and the share that data takes of them."""

    def __init__(self) -> None:
        self.n_steps, self.data_s, self.step_s = 0, 0.0, 0.0

    def add(self, *, data_s: float, step_s: float) -> None:
        """Count a step: seconds for its batch, and for the rest of it."""
        self.n_steps += 1
        self.data_s += data_s
        self.step_s += step_s

    @property
    def steps_per_s(self) -> float:
        """Steps per second; NaN before the first step."""
        total_s = self.data_s + self.step_s
        return self.n_steps / total_s if total_s else float("nan")

    @property
    def data_share(self) -> float:
        """Share of the time that went into fetching batches, 0 to 1; NaN before the first step."""
        total_s = self.data_s + self.step_s
        return self.data_s / total_s if total_s else float("nan")


def step_seed(seed: int, n_done: int, rank: int) -> int:
    """Seed of what a step draws: another one for each step and process, and no state to save."""
    state = np.random.SeedSequence((seed, _STEP_SEED, n_done, rank)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))  # torch takes 63 bits


@dataclass(eq=False)
class TrainingLoop:
    """One call's steps.

    Parameters
    ----------
    step : what is trained.
    crops : the batches, by step number.
    save : writes a checkpoint; called with the number of steps done.
    validate : measures held-out clips; likewise.
    log : None in all processes but the first, which then is the only one that saves and
        validates, too.
    mean : of the losses since the last log line.
    n_done : steps of earlier calls; counts up.
    clock : of all steps of this call.
    last_means : of the last log line.
    """

    step: TrainingStep
    crops: CropStream
    config: TrainingConfig
    device: torch.device
    processes: Processes
    limits: Limits
    progress: TrainingProgress
    save: Callable[[int], None]
    validate: Callable[[int], None]
    log: TrainingLog | None
    mean: Mean
    n_done: int = 0
    clock: StepClock = field(default_factory=StepClock)
    last_means: dict[str, float] = field(default_factory=dict)

    def run(self, request: StopRequest) -> StopReason:
        """Step until a limit is met or somebody asks to stop.

        Raises
        ------
        TrainingError if gradients stay infinite or the disk is full.
        """
        generator = torch.Generator(self.device)
        recent = StepClock()
        while not (reason := self._reason(request)):
            self._one_step(generator, recent)
            if self._is_due(self._run.log_interval):
                self._write_log(recent)
                recent = StepClock()
            else:
                self._report(recent)
            if self.log is not None:
                self._keep()
        return reason

    @property
    def _run(self) -> RunConfig:
        return self.config.run

    def _reason(self, request: StopRequest) -> StopReason:
        wish = self.limits.reason(self.n_done, request)
        return StopReason(agree_to_stop(wish, self.device))

    def _one_step(self, generator: torch.Generator, recent: StepClock) -> None:
        started = time.perf_counter()
        batch = self.crops.batch(self.n_done, self.device)
        fetched = time.perf_counter()
        generator.manual_seed(step_seed(self.config.seed, self.n_done, self.processes.rank))
        self.mean.add(self.step.run(batch, generator))
        ended = time.perf_counter()
        for clock in (self.clock, recent):
            clock.add(data_s=fetched - started, step_s=ended - fetched)
        self.n_done += 1

    def _is_due(self, interval: int) -> bool:
        return interval > 0 and self.n_done % interval == 0

    def _write_log(self, recent: StepClock) -> None:
        means = self.last_means = average_losses(self.mean.take(), self.device)
        if self.log is not None:
            self.log.write(self.n_done, "train", means)
            self.log.write(self.n_done, "speed", self._speed(recent))
        self._report(recent, means)

    def _speed(self, recent: StepClock) -> dict[str, float]:
        data = self.config.data
        rate = recent.steps_per_s
        return {
            "steps_per_s": rate,
            "audio_s_per_s": rate * data.batch_size * data.segment_samples / data.sample_rate,
            "data_share": recent.data_share,
        }

    def _report(self, recent: StepClock, means: dict[str, float] | None = None) -> None:
        if not self.processes.is_first:
            return
        rate = recent.steps_per_s
        left_s = self.limits.time_left_s(self.n_done, rate)
        self.progress.stepped(
            StepReport(self.n_done, self.limits.n_steps, rate, left_s, means or {})
        )

    def _keep(self) -> None:
        """Validate and save; the end of the training does both anyway."""
        if self.n_done >= self.limits.n_steps:
            return
        if self._is_due(self._run.valid_interval):
            self.validate(self.n_done)
        if self._is_due(self._run.checkpoint_interval):
            self.save(self.n_done)
