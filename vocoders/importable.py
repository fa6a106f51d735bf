"""Which vocoders have published checkpoints that can be imported, and where their layouts stand."""

import importlib
from difflib import get_close_matches
from importlib.metadata import entry_points

from evalsuite.errors import Unavailable, UnknownName
from evalsuite.registry import BUILT_IN, ENTRY_POINT_GROUP
from vocoders.layouts import CheckpointLayout

__all__ = ["find_layout", "importable"]


def importable() -> dict[str, str]:
    """Map vocoders that have weights, and plug-ins, to their classes ``"module:Class"``.

    The module holds the `CheckpointLayout`; a plug-in's may do without.
    """
    plug_ins = {entry.name: entry.value for entry in entry_points(group=ENTRY_POINT_GROUP)}
    return plug_ins | {
        name: entry.target for name, entry in BUILT_IN.items() if entry.needs_weights
    }


def find_layout(vocoder: str) -> CheckpointLayout:
    """Find how a vocoder's checkpoints are recognised.

    Raises
    ------
    UnknownName if none can be imported, Unavailable if the vocoder itself cannot be loaded here.
    """
    known = importable()
    if vocoder not in known:
        near = get_close_matches(vocoder, known, n=1)
        raise UnknownName(
            f"no checkpoints of {vocoder!r} can be imported",
            wanted=f"one of {', '.join(sorted(known))}",
            do=f"write {near[0]!r}" if near else "choose one of them",
        )
    module = known[vocoder].partition(":")[0]
    try:
        members = vars(importlib.import_module(module)).values()
    except ImportError as error:
        raise Unavailable(
            f"{vocoder!r} cannot be loaded here: {error}",
            wanted="everything it needs installed",
            do="run: evalsuite vocoders",
        ) from error
    for layout in members:
        if isinstance(layout, CheckpointLayout) and layout.vocoder == vocoder:
            return layout
    raise UnknownName(
        f"{vocoder!r} has no checkpoints that can be imported",
        wanted=f"a CheckpointLayout of {vocoder!r} in {module}",
        do="see vocoders.layouts, or what its own package says of weights",
    )
