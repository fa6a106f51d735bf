"""Which weights are here for each vocoder, and where the missing ones are published."""

from dataclasses import dataclass
from pathlib import Path

from evalsuite.registry import BUILT_IN
from evalsuite.releases import Release, releases_of
from evalsuite.shipped_weights import SHIPPED, shipped_folder
from evalsuite.weights import list_weights, weights_root

__all__ = ["VocoderWeights", "weights_overview"]


@dataclass(frozen=True)
class VocoderWeights:
    """What there is for one vocoder.

    Parameters
    ----------
    imported : system text -> folder, for weights that were imported here.
    shipped : folder of the weights that came with the package; None if none did.
    releases : what others publish.
    import_command : how to get any other checkpoint in.
    """

    vocoder: str
    imported: dict[str, Path]
    shipped: Path | None
    releases: list[Release]
    import_command: str

    @property
    def systems(self) -> list[str]:
        """System texts that run here with trained weights."""
        shipped = [f"{self.vocoder}:{SHIPPED}"] if self.shipped else []
        return [*self.imported, *shipped]


def weights_overview(root: Path | None = None) -> list[VocoderWeights]:
    """List the built-in vocoders that need weights, in the registry's order.

    Raises
    ------
    CheckpointError if a card below `root` is damaged.
    """
    root = root or weights_root()
    found = list_weights(root)
    return [
        VocoderWeights(
            vocoder=name,
            imported={f"{name}:{p}": p for p, card in found.items() if card.vocoder == name},
            shipped=shipped_folder(name),
            releases=releases_of(name),
            import_command=f"evalsuite weights import FILE --vocoder {name} -o {root}/NAME",
        )
        for name, entry in BUILT_IN.items()
        if entry.needs_weights
    ]
