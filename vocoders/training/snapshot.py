"""A training at one step, wherever it is kept: a training folder, a checkpoint, parts.

Three forms hold the same content (`vocoders.training.resume`): the newest checkpoint of a folder
of ``evalsuite train``, one such checkpoint file, and a folder of parts
(`vocoders.training.state_parts`). A file with nothing but a step's state is read as well, if its
configuration is named.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from evalsuite.errors import CheckpointError, UsageError
from evalsuite.files import write_json
from vocoders.training.checkpoint import Checkpoints, random_state, why_unreadable
from vocoders.training.config import TrainingConfig, load_config
from vocoders.training.log import Mean
from vocoders.training.state_parts import INDEX_NAME, StateIndex, restore_state, save_state
from vocoders.training.step import StepKind

__all__ = ["Snapshot", "pack_snapshot", "read_snapshot", "write_checkpoint"]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A training at one step.

    Parameters
    ----------
    n_steps : done.
    step : state of the `vocoders.training.step.TrainingStep`.
    config, kind : what is trained.
    losses : means of the last steps; empty if they were not kept.
    rest : what else a checkpoint holds: random state, means, data.
    said : what was lost on the way here.
    """

    n_steps: int
    step: dict[str, Any]
    config: TrainingConfig
    kind: StepKind
    losses: Mapping[str, float]
    rest: Mapping[str, Any]
    said: tuple[str, ...] = ()


def read_snapshot(
    path: Path, *, config: str | None = None, overrides: Sequence[str] = ()
) -> Snapshot:
    """Read a training folder, a folder of parts or a checkpoint file.

    Parameters
    ----------
    config : name or file of the configuration, for a file that does not hold its own.
    overrides : ``key.key=value``, on top of whichever configuration there is.

    Raises
    ------
    CheckpointError if there is none or it is damaged; ConfigError, UnknownName, UsageError.
    """
    content, said = _read_content(path)
    step = content.get("step", content.get("state"))
    n_steps = content.get("n_steps", content.get("n"))
    if not isinstance(step, dict) or not isinstance(n_steps, int):
        raise CheckpointError(
            f"{path} holds {', '.join(map(repr, list(content)[:6])) or 'no names'}",
            wanted="the state of a training step and its number",
            do="give a folder of evalsuite train, or a checkpoint in it",
        )
    chosen, kind = _configuration(path, content.get("config"), config, overrides)
    rest: dict[str, Any] = {
        key: content[key] for key in ("random", "mean", "data") if key in content
    }
    try:
        losses = _losses(path, content)
    except (TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{path} holds losses that are no numbers by name",
            wanted="a checkpoint as evalsuite train writes it",
            do="copy it again",
        ) from error
    return Snapshot(n_steps, step, chosen, kind, losses, rest, tuple(said))


def write_checkpoint(snapshot: Snapshot, out: Path, data_facts: Mapping[str, str | int]) -> Path:
    """Write it as the newest checkpoint of a training folder, to go on from on these recordings.

    Parameters
    ----------
    data_facts : of the recordings to go on with (`TrainingData.facts`). They replace those of
        the recordings before: the caller has made sure that no held-out clip is among them.
    """
    device = torch.device("cpu")
    content = {
        "step": snapshot.step,
        "random": snapshot.rest.get("random") or random_state(device),
        "mean": snapshot.rest.get("mean") or Mean().state_dict(),
        "config": snapshot.config.model_dump(mode="json"),
        "data": dict(data_facts),
    }
    return Checkpoints(out / "checkpoints").save(snapshot.n_steps, content)


def pack_snapshot(
    snapshot: Snapshot, folder: Path, *, budget_bytes: int, part_bytes: int
) -> StateIndex:
    """Write it in parts.

    Raises
    ------
    CheckpointError if even the networks alone do not fit.
    """
    settings = snapshot.config.model_dump(mode="json")
    # Files to begin with are of no use to a training that has begun, nor are they elsewhere.
    settings.pop("start", None)
    content = {
        "step": snapshot.step,
        "config": settings,
        "losses": dict(snapshot.losses),
        "n_steps": snapshot.n_steps,
        # Crops and draws are functions of seed and step: the global generators are not needed.
        **{key: value for key, value in snapshot.rest.items() if key != "random"},
    }
    return save_state(
        content,
        folder,
        step=snapshot.n_steps,
        budget_bytes=budget_bytes,
        part_bytes=part_bytes,
    )


def _read_content(path: Path) -> tuple[dict[str, Any], list[str]]:
    if (path / INDEX_NAME).is_file():
        restored = restore_state(path)
        return restored.state, restored.index.losses()
    if path.is_dir():
        content, said = Checkpoints(path / "checkpoints").load_newest()
        if content is not None:
            return content, said
    elif path.is_file():
        return _read_file(path), []
    raise CheckpointError(
        f"there is no training in {path}",
        wanted=f"a folder with checkpoints/ or {INDEX_NAME}, or a checkpoint file",
        do="give the output folder of evalsuite train",
    )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a torn pickle can raise anything
        raise CheckpointError(
            f"{path} cannot be read ({why_unreadable(path, error)})",
            wanted="a whole checkpoint of plain tensors",
            do="copy it again",
        ) from error
    return content if isinstance(content, dict) else {}


def _configuration(
    path: Path, kept: object, name: str | None, overrides: Sequence[str]
) -> tuple[TrainingConfig, StepKind]:
    """Take the configuration that is named, else the one that was kept."""
    if name is not None:
        return load_config(name, overrides)
    if not isinstance(kept, dict):
        raise UsageError(
            f"{path} does not hold its configuration",
            wanted="the configuration it was trained with",
            do="name it: --config melgan",
        )
    with TemporaryDirectory() as folder:
        # JSON is YAML: a kept configuration is read as any other, overrides included.
        file = Path(folder) / "kept.yaml"
        write_json(file, kept)
        return load_config(file, overrides)


def _losses(path: Path, content: Mapping[str, Any]) -> dict[str, float]:
    """Means that were kept, those since the last log line, or those of that line."""
    if content.get("losses"):
        return dict(content["losses"])
    mean = Mean()
    mean.load_state_dict(content.get("mean") or {})
    if found := mean.look():
        return found
    try:
        result = json.loads((path / "training.json").read_text(encoding="utf-8"))["result"]
    except (OSError, ValueError, KeyError):
        return {}
    same = result.get("n_steps") == content.get("n_steps")
    return {k: v for k, v in result.get("losses", {}).items() if same and v is not None}
