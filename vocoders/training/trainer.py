"""Training of one configuration on one corpus, from nothing or from where it stopped.

*Writes*::

    OUT/training.json       configuration, split, parameters, how far it came, versions
    OUT/log.csv             losses, validation and speed by step (`vocoders.training.log`)
    OUT/tensorboard/        the same, if run.tensorboard is true
    OUT/checkpoints/        the newest, whole (`vocoders.training.checkpoint`)
    OUT/weights/            the generator, which ``melgan:OUT/weights`` loads
    OUT/reconstructions/    held-out clips as finished files, if no vocoder comes out of it
    OUT/samples/            held-out clips as a run folder: evalsuite check, metrics, study new
    OUT/audio/              decoded recordings, unless a cache is given

*Interrupted trainings* The same call goes on from the newest checkpoint with the losses it would
have had: crops are functions of seed and step, and a checkpoint holds all else. Ctrl-C and
SIGTERM finish the step and save. A second process on the same folder is refused.
"""

import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from evalsuite.errors import UsageError
from evalsuite.files import write_json
from evalsuite.lock import lock_run
from evalsuite.provenance import provenance
from evalsuite.weights import CARD_NAME, read_card
from vocoders.layers import choose_device, count_parameters
from vocoders.training.checkpoint import Checkpoints, explain_full_disk
from vocoders.training.config import TrainingConfig
from vocoders.training.crops import CropStream
from vocoders.training.data import Recordings, TrainingData, describe, open_data
from vocoders.training.distributed import Processes, join_processes, wait_for_all
from vocoders.training.limits import Limits, StopReason, listen_for_stop
from vocoders.training.log import Mean, TrainingLog
from vocoders.training.loop import TrainingLoop
from vocoders.training.precision import allow_tf32
from vocoders.training.progress import Silent, TrainingProgress
from vocoders.training.resume import Resumable
from vocoders.training.samples import write_reconstructions, write_samples
from vocoders.training.step import StepKind, TrainingStep
from vocoders.training.validation import validate

__all__ = ["TrainingResult", "train"]


@dataclass(frozen=True)
class TrainingResult:
    """What one call did.

    Parameters
    ----------
    n_steps : of the training, earlier calls included.
    n_steps_now : of this call.
    reason : why it stopped.
    losses : means since the last log line, or those of the last log line.
    validation : means over held-out clips; empty if it was stopped by a signal.
    n_parameters : by network, as trained (with weight norm).
    steps_per_s, data_share : of this call; NaN if it did no step.
    weights : system text such as ``melgan:OUT/weights``; None if no vocoder came out of it.
    samples : run folder; None if none was written.
    """

    n_steps: int
    n_steps_now: int
    reason: StopReason
    losses: Mapping[str, float]
    validation: Mapping[str, float]
    n_parameters: Mapping[str, int]
    steps_per_s: float
    data_share: float
    weights: str | None
    samples: Path | None

    def as_json(self) -> dict[str, Any]:
        """Plain values; null for what does not exist."""
        return {
            "n_steps": self.n_steps,
            "n_steps_now": self.n_steps_now,
            "reason": self.reason.name.lower(),
            "losses": _without_nan(self.losses),
            "validation": _without_nan(self.validation),
            "n_parameters": dict(self.n_parameters),
            **_without_nan({"steps_per_s": self.steps_per_s, "data_share": self.data_share}),
            "weights": self.weights,
            "samples": None if self.samples is None else str(self.samples),
        }


def train(
    config: TrainingConfig,
    kind: StepKind,
    recordings: Recordings,
    out: Path,
    *,
    limits: Limits | None = None,
    device: str = "cpu",
    cache: Path | None = None,
    fresh: bool = False,
    progress: TrainingProgress | None = None,
) -> TrainingResult:
    """Train until a limit is met, from the newest checkpoint in `out` if there is one.

    Under ``torchrun`` every process calls it; the first one writes.

    Parameters
    ----------
    config, kind : of `vocoders.training.config.load_config`.
    out : folder of the training; made if absent.
    limits : None = the configuration's steps.
    device : ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.
    cache : folder of decoded recordings, which trainings may share; None = ``OUT/audio``.
    fresh : begin anew; checkpoints and log of an earlier training in `out` are removed.

    Raises
    ------
    CorpusError, AudioError, ConfigError, CheckpointError (of another architecture or other
    data), Unavailable, UsageError if another process trains in `out`: all before any step.
    TrainingError if gradients stay infinite or the disk is full: the newest checkpoint stays.
    """
    chosen = choose_device(device)
    with join_processes(chosen.type) as processes, _own_folder(out, processes):
        call = _Call(
            config, kind, recordings, out, processes, processes.own_device(chosen),
            limits or Limits(config.steps), cache or out / "audio",
            progress if progress is not None and processes.is_first else Silent(),
        )  # fmt: skip
        return call.run(fresh=fresh)


@dataclass(eq=False)
class _Call:
    """One call of `train`, in one of its processes."""

    config: TrainingConfig
    kind: StepKind
    recordings: Recordings
    out: Path
    processes: Processes
    device: torch.device
    limits: Limits
    cache: Path
    progress: TrainingProgress
    mean: Mean = field(default_factory=Mean)
    validated: tuple[int, dict[str, float]] = (-1, {})

    def run(self, *, fresh: bool) -> TrainingResult:
        config = self.config
        data = open_data(
            self.recordings, self.cache, config, processes=self.processes, progress=self.progress
        )
        crops = CropStream(
            data.store, data.split.train, config.data, seed=config.seed, processes=self.processes
        )
        summary, changed = describe(data, config.data)
        self.progress.say(summary)
        for line in changed:
            self.progress.warn(line)
        torch.manual_seed(config.seed)
        allow_tf32(config.run.tf32)
        step = self.kind.build(config, self.device)
        resumable = Resumable(
            self.out, config, self.kind, step, self.mean, self.device, data.facts()
        )
        checkpoints = Checkpoints(self.out / "checkpoints", keep=config.run.keep_checkpoints)
        n_before = 0 if fresh else self._restore(resumable, checkpoints)
        with self._open_log(n_before, checkpoints, fresh=fresh) as log:
            loop = TrainingLoop(
                step, crops, config, self.device, self.processes, self.limits, self.progress,
                lambda n_done: resumable.save(checkpoints, n_done),
                lambda n_done: self._validate(step, data, n_done, log),
                log, self.mean, n_before,
            )  # fmt: skip
            with listen_for_stop() as request:
                reason = loop.run(request)
                if log is not None and loop.n_done > n_before:
                    resumable.save(checkpoints, loop.n_done)
            if log is not None and reason != StopReason.SIGNAL:
                self._validate(step, data, loop.n_done, log)
        return self._finish(loop, data, reason, n_before)

    def _restore(self, resumable: Resumable, checkpoints: Checkpoints) -> int:
        n_done, said = resumable.restore(checkpoints)
        for line in said:
            self.progress.warn(line)
        if n_done:
            self.progress.warn(f"going on from step {n_done}")
        return n_done

    @contextmanager
    def _open_log(
        self, n_before: int, checkpoints: Checkpoints, *, fresh: bool
    ) -> Iterator[TrainingLog | None]:
        """Open the log in the first process; everything that could be refused was before."""
        wait_for_all()  # all have read the checkpoint
        if not self.processes.is_first:
            yield None
            return
        checkpoints.remove_leftovers(all_of_them=fresh)
        tensorboard = self.config.run.tensorboard
        with closing(TrainingLog(self.out, n_steps=n_before, tensorboard=tensorboard)) as log:
            yield log

    def _validate(
        self, step: TrainingStep, data: TrainingData, n_done: int, log: TrainingLog | None
    ) -> None:
        if log is None or self.validated[0] == n_done:
            return
        clips = data.split.valid[: self.config.run.valid_max_clips]
        values = validate(step, data.store, clips, self.device, say=self.progress.warn)
        log.write(n_done, "valid", values)
        self.validated = (n_done, values)
        listed = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        self.progress.say(f"held-out clips after step {n_done}: {listed}")

    def _finish(
        self, loop: TrainingLoop, data: TrainingData, reason: StopReason, n_before: int
    ) -> TrainingResult:
        """Export the network, write samples, and say how it went."""
        weights, samples = None, None
        if self.processes.is_first and loop.n_done:
            with explain_full_disk(self.out):
                if self.kind.export is not None:
                    weights = self._export(loop.step, loop.n_done)
                if self.config.run.samples and reason != StopReason.SIGNAL:
                    system = weights or self._reconstruct(loop.step, data, loop.n_done)
                    samples = self._write_samples(data, system)
        networks = loop.step.modules()
        result = TrainingResult(
            n_steps=loop.n_done,
            n_steps_now=loop.n_done - n_before,
            reason=reason,
            losses=self.mean.look() or loop.last_means,
            validation=self.validated[1] if self.validated[0] == loop.n_done else {},
            n_parameters={name: count_parameters(network) for name, network in networks.items()},
            steps_per_s=loop.clock.steps_per_s,
            data_share=loop.clock.data_share,
            weights=weights,
            samples=samples,
        )
        if self.processes.is_first:
            with explain_full_disk(self.out):
                write_json(self.out / "training.json", self._record(result, data))
        return result

    def _export(self, step: TrainingStep, n_done: int) -> str:
        assert self.kind.export is not None
        folder = self.out / "weights"
        system = self.kind.export(step, self.config, folder, n_done)
        if self.recordings.synthetic_speech:
            card = read_card(folder)
            marked = card.model_copy(update={"source": f"{card.source}, on synthetic speech"})
            write_json(folder / CARD_NAME, marked.model_dump())
        return system

    def _reconstruct(self, step: TrainingStep, data: TrainingData, n_done: int) -> str:
        """Write what the model makes of held-out clips; the folder's name is their source."""
        above = self.out / "reconstructions"
        shutil.rmtree(above, ignore_errors=True)  # those of earlier steps
        folder = above / f"{self.config.name}_step_{n_done}"
        clips = data.split.valid[: self.config.run.valid_max_clips]
        write_reconstructions(folder, step, data.store, clips, self.device)
        return f"recorded:{folder}"

    def _write_samples(self, data: TrainingData, system: str) -> Path | None:
        clips = data.split.valid[: self.config.run.valid_max_clips]
        run = self.out / "samples"
        result = write_samples(
            run,
            [data.store.clips[clip].utterance for clip in clips],
            system,
            label=self.config.name,
            sample_rate=self.config.data.sample_rate,
            device=self.device.type,
            synthetic_speech=self.recordings.synthetic_speech,
        )
        for failed in result.failed:
            self.progress.warn(f"no sample of {failed.utterance}: {failed.reason}")
        return run

    def _record(self, result: TrainingResult, data: TrainingData) -> dict[str, Any]:
        return {
            "config": self.config.model_dump(mode="json"),
            "corpus": str(self.recordings.corpus),
            "synthetic_speech": self.recordings.synthetic_speech,
            "data": data.facts(),
            "split": dict(data.ids()),
            "result": result.as_json(),
            "device": str(self.device),
            "n_processes": self.processes.count,
            "provenance": provenance(),
        }


@contextmanager
def _own_folder(out: Path, processes: Processes) -> Iterator[None]:
    """Keep other trainings out of the folder."""
    with ExitStack() as stack:
        try:
            if processes.is_first:
                stack.enter_context(lock_run(out))
        except UsageError as error:
            raise UsageError(
                error.got, wanted="one evalsuite train per output folder at a time", do=error.do
            ) from error
        yield


def _without_nan(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
