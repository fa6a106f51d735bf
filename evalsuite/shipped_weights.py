"""Weights of our own that come with the package, and whether they may speak unasked.

They are trained on little data for a short time, so an installation uses them by itself only if
their model card shows that they beat Griffin-Lim on recordings they never heard. Otherwise they
must be asked for by name (``melgan:shipped``), and `BELOW_GRIFFIN_LIM` stands in the source of
every system that uses them.

*Reads* ``vocoders/weights/<vocoder>/``: the files of `evalsuite.weights` and a model card.
"""

from importlib.util import find_spec
from pathlib import Path

from evalsuite.errors import Unavailable
from evalsuite.model_card import MODEL_CARD_NAME, ModelCard, read_model_card

__all__ = [
    "BELOW_GRIFFIN_LIM",
    "SHIPPED",
    "require_fit_for_default",
    "shipped_folder",
    "shortfall",
    "weakness",
]

#: What follows the colon to ask for them: ``melgan:shipped``.
SHIPPED = "shipped"

#: Part of the source of weights that are no better than Griffin-Lim, or were never measured.
BELOW_GRIFFIN_LIM = "BELOW GRIFFIN-LIM"


def shipped_folder(vocoder: str) -> Path | None:
    """Find the weights that came with the package; None if there are none for this vocoder."""
    package = find_spec("vocoders")
    for place in (package.submodule_search_locations or ()) if package else ():
        folder = Path(place) / "weights" / vocoder
        if (folder / MODEL_CARD_NAME).is_file():
            return folder
    return None


def require_fit_for_default(vocoder: str, folder: Path) -> Path:
    """Return the folder if its weights may be used unasked.

    Raises
    ------
    Unavailable if they do not beat Griffin-Lim, saying how to ask for them; CheckpointError if
    the model card is damaged.
    """
    card = read_model_card(folder)
    if card.may_be_default:
        return folder
    raise Unavailable(
        f"no trained weights for {vocoder!r} but those that ship, which are {shortfall(card)}",
        wanted=f"weights of your own, or these asked for by name: {vocoder}:{SHIPPED}",
        do=f"write {vocoder}:{SHIPPED} to use them all the same, marked as what they are, or run: "
        f"evalsuite weights import FILE --vocoder {vocoder} -o weights/NAME",
    )


def shortfall(card: ModelCard) -> str:
    """Say in words what keeps weights from being the default; empty if nothing does."""
    if card.may_be_default:
        return ""
    if not card.held_out:
        return f"{BELOW_GRIFFIN_LIM} until measured: nothing is known of them on held-out clips"
    worse = [
        f"{one.metric} {one.mean:.3g} against {one.griffin_lim:.3g}"
        for one in card.held_out
        if one.group == "all" and not one.beats_griffin_lim
    ]
    return f"{BELOW_GRIFFIN_LIM} on held-out clips ({', '.join(worse)})"


def weakness(source: str) -> str:
    """Return the part of a system's source (`VocoderInfo.source`) that says it is weak, if any.

    >>> weakness("evalsuite train melgan: 9 steps; BELOW GRIFFIN-LIM on held-out clips")
    'BELOW GRIFFIN-LIM on held-out clips'
    >>> weakness("Griffin and Lim 1984")
    ''
    """
    return source[source.index(BELOW_GRIFFIN_LIM) :] if BELOW_GRIFFIN_LIM in source else ""
