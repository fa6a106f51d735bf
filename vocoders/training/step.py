"""What a network must offer to be trained: one optimiser step, its state, its output.

The trainer owns time, data, checkpoints, limits and logs; a `TrainingStep` owns networks, losses
and optimisers. A new model is one file with a class that fits `TrainingStep`, a configuration
model (`vocoders.training.config.TrainingConfig` or a subclass) and one line in `STEP_KINDS`.

A step updates its weights through `vocoders.training.update.GradientUpdate`, which averages
gradients over processes, skips what is not finite and limits the norm.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from evalsuite.errors import UnknownName

__all__ = ["STEP_KINDS", "StepKind", "TrainingStep", "find_step_kind"]

#: Value of ``step:`` in a configuration -> where its `StepKind` stands.
STEP_KINDS: Mapping[str, str] = {
    "melgan": "vocoders.training.melgan_step:MELGAN",
    "vqvae": "vocoders.training.vqvae_step:VQVAE_KIND",
}


class TrainingStep(Protocol):
    """Networks, losses and optimisers of one model, on one device.

    A step keeps no randomness of its own: whatever it draws comes from the generator of `run`,
    which the trainer seeds by run seed, step number and process. That is what makes a resumed
    training equal to one that was never stopped.
    """

    def modules(self) -> Mapping[str, nn.Module]:
        """Networks by name, for parameter counts; always the plain ones, never a wrapper."""
        ...

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Optimisers by name."""
        ...

    def run(self, batch: Tensor, generator: torch.Generator) -> dict[str, float]:
        """Do one step of training: forward, backward and update of every network.

        Parameters
        ----------
        batch : audio on the step's device, float32, shape (batch, 1, samples), |x| <= 1. Under
            several processes it is this process's part.
        generator : the only source of randomness, on the same device.

        Returns
        -------
        Losses by name, of this process's batch; the trainer averages them over processes. NaN or
        infinity may appear: the update was skipped then.

        Raises
        ------
        TrainingError after too many updates in a row had to be skipped.
        """
        ...

    def validate_output(self, batch: Tensor) -> Tensor:
        """Re-synthesise audio of shape (1, 1, samples), any length, without gradients.

        Returns
        -------
        Audio of the same shape, float32: what the model makes of this recording.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on: networks, optimisers, counters.

        Tensors, numbers, strings, lists and dicts only: checkpoints are read with
        ``torch.load(weights_only=True)``.
        """
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state; the next `run` then gives what it would have given.

        Raises
        ------
        RuntimeError, KeyError or ValueError if it does not fit, as torch raises them; the trainer
        turns them into `CheckpointError`.
        """
        ...


@dataclass(frozen=True)
class StepKind:
    """One kind of training, found by the ``step`` of a configuration.

    Parameters
    ----------
    config : pydantic model of the configuration file, `TrainingConfig` or a subclass.
    build : (configuration, device) -> step with fresh networks. Initial weights come from
        torch's global generator, which the trainer has seeded.
    architecture : sections of the configuration that fix tensor shapes; a checkpoint of another
        architecture is refused in any case.
    export : (step, configuration, folder, step number) -> system text such as
        ``melgan:FOLDER``; writes what `evalsuite.registry` can load. None if no vocoder comes
        out of it: the samples are then its `TrainingStep.validate_output` as finished files.
    """

    config: type[Any]
    build: Callable[[Any, torch.device], TrainingStep]
    architecture: tuple[str, ...]
    export: Callable[[Any, Any, Path, int], str] | None = None


def find_step_kind(name: str) -> StepKind:
    """Import the kind of training of this name.

    Raises
    ------
    UnknownName with the nearest and all known names.
    """
    if name not in STEP_KINDS:
        near = get_close_matches(name, STEP_KINDS, n=1)
        raise UnknownName(
            f"there is no training step {name!r}",
            wanted=f"one of {', '.join(sorted(STEP_KINDS))}",
            do=f"write {near[0]!r}" if near else "choose one of them",
        )
    module, _, attribute = STEP_KINDS[name].partition(":")
    kind = getattr(importlib.import_module(module), attribute)
    assert isinstance(kind, StepKind)
    return kind
