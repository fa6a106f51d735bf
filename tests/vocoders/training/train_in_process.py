"""Run by tests in a process of its own: a training that dies by SIGKILL after a given step."""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from vocoders.training.config import load_config
from vocoders.training.data import Recordings
from vocoders.training.limits import Limits
from vocoders.training.progress import Silent, StepReport
from vocoders.training.trainer import train


class Killer(Silent):
    """Ends the process after a step, as a power cut would."""

    def __init__(self, step: int) -> None:
        self._step = step

    def stepped(self, report: StepReport) -> None:
        if report.n_done == self._step:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    task = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    config, kind = load_config("melgan_tiny", task["overrides"])
    train(
        config,
        kind,
        Recordings(Path(task["corpus"])),
        Path(task["out"]),
        limits=Limits(task["n_steps"]),
        cache=Path(task["cache"]),
        progress=Killer(task["kill_at"]),
    )


if __name__ == "__main__":
    main()
