"""What a checkpoint holds, and what it must share with the training that goes on from it.

A training may go on with another learning rate, precision or batch; not with another
architecture (the tensors would not fit) nor with other data or another split (clips that were
held out would be trained on, and the log would be of two trainings).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import torch

from evalsuite.errors import CheckpointError
from vocoders.training.checkpoint import Checkpoints, random_state, restore_random_state
from vocoders.training.config import TrainingConfig, changed_settings
from vocoders.training.log import Mean
from vocoders.training.step import StepKind, TrainingStep

__all__ = ["Resumable"]

_SHOWN = 8


@dataclass(eq=False)
class Resumable:
    """Everything that must be saved, and be restored, for a training to go on as if never stopped.

    Parameters
    ----------
    folder : of the training, for messages.
    data_facts : of `vocoders.training.data.TrainingData`.
    """

    folder: Path
    config: TrainingConfig
    kind: StepKind
    step: TrainingStep
    mean: Mean
    device: torch.device
    data_facts: Mapping[str, str | int]

    def save(self, checkpoints: Checkpoints, n_done: int) -> None:
        """Write a checkpoint.

        Raises
        ------
        TrainingError if the disk is full; earlier checkpoints are still there then.
        """
        content = {
            "step": self.step.state_dict(),
            "random": random_state(self.device),
            "mean": self.mean.state_dict(),
            "config": self.config.model_dump(mode="json"),
            "data": dict(self.data_facts),
        }
        checkpoints.save(n_done, content)

    def restore(self, checkpoints: Checkpoints) -> tuple[int, list[str]]:
        """Go back to the newest checkpoint that can be read.

        Returns
        -------
        Steps that were done; 0 if there is no checkpoint. And what the user should know: damaged
        checkpoints, changed settings.

        Raises
        ------
        CheckpointError if the checkpoint is of another architecture or of other data, or if none
        of several can be read.
        """
        content, said = checkpoints.load_newest()
        if content is None:
            return 0, said
        changed = changed_settings(
            _with_defaults(self.kind, content["config"]), self.config.model_dump(mode="json")
        )
        self._refuse_other_architecture(changed)
        self._refuse_other_data(content["data"])
        try:
            self.step.load_state_dict(content["step"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise self._wrong(f"does not fit: {' '.join(str(error).split())[:300]}") from error
        restore_random_state(content["random"], self.device)
        self.mean.load_state_dict(content["mean"])
        said += [
            f"changed since the last call: {name} = {new} (was {old})"
            for name, (old, new) in changed.items()
        ]
        return int(content["n_steps"]), said

    def _refuse_other_architecture(self, changed: Mapping[str, tuple[Any, Any]]) -> None:
        fixed = {
            name: pair
            for name, pair in changed.items()
            if name.partition(".")[0] in self.kind.architecture
        }
        if fixed:
            listed = [f"{name} = {old}" for name, (old, _) in fixed.items()][:_SHOWN]
            wanted = [f"{name} = {new}" for name, (_, new) in fixed.items()][:_SHOWN]
            raise self._wrong(
                f"is of another architecture ({', '.join(listed)})", ", ".join(wanted)
            )

    def _refuse_other_data(self, found: Mapping[str, str | int]) -> None:
        now = self.data_facts
        if found["recordings"] != now["recordings"]:
            raise self._wrong("was trained on other recordings", "the same corpus, unchanged")
        if found["split"] != now["split"]:
            raise self._wrong(
                f"was trained with another split ({found['n_train']} clips to train on, "
                f"{found['n_valid']} held out)",
                f"{now['n_train']} and {now['n_valid']} clips, the same ones: else what was held "
                "out would be trained on",
            )

    def _wrong(self, got: str, wanted: str = "a checkpoint of this training") -> CheckpointError:
        return CheckpointError(
            f"the checkpoint in {self.folder} {got}",
            wanted=wanted,
            do="choose another output folder, give the configuration and corpus it was made "
            "with, or start anew with --fresh",
        )


def _with_defaults(kind: StepKind, settings: dict[str, Any]) -> dict[str, Any]:
    """Fill in settings that did not exist when the checkpoint was written."""
    try:
        known = kind.config.model_validate_json(json.dumps(settings))
    except pydantic.ValidationError:
        return settings  # it had settings that are gone
    filled: dict[str, Any] = known.model_dump(mode="json")
    return filled
