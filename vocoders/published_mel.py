"""Does the configuration published with a checkpoint describe the mel convention it will hear?"""

from collections.abc import Mapping
from typing import Any

from evalsuite.errors import CheckpointError
from evalsuite.mel import mel_spec

__all__ = ["require_mel"]


def require_mel(settings: Mapping[str, Any], mel: str, names: Mapping[str, str]) -> None:
    """Compare the analysis settings of a published configuration with a convention.

    Parameters
    ----------
    settings : as published; a setting that is missing or null says nothing.
    mel : name of the convention.
    names : field of `MelSpec` -> name of the published setting.

    Raises
    ------
    CheckpointError naming each setting that differs.
    """
    spec = mel_spec(mel)
    published = ((field, name, settings.get(name)) for field, name in names.items())
    differences = [
        f"{name} {value} (the convention has {getattr(spec, field)})"
        for field, name, value in published
        if value is not None and not _equal(value, getattr(spec, field))
    ]
    if differences:
        raise CheckpointError(
            f"its configuration has {', '.join(differences)}",
            wanted=f"the mel convention {mel!r}, which it was recognised by",
            do="take the release of this convention; other settings need a preset of their own",
        )


def _equal(published: object, own: object) -> bool:
    if isinstance(published, int | float) and isinstance(own, int | float):
        return float(published) == float(own)
    return str(published) == str(own)
