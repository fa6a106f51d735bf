"""The listening grid of a page: one block an utterance, in it one player a system."""

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import soundfile

from evalsuite.errors import ManifestError
from evalsuite.manifest import Manifest, SampleRecord

__all__ = ["Grid", "GridRow", "Player", "make_grid"]


@dataclass(frozen=True)
class Player:
    """One sample.

    Parameters
    ----------
    label : system and utterance, for screen readers.
    source : a data URI or a relative link; empty if the sample is missing.
    """

    label: str
    source: str


@dataclass(frozen=True)
class GridRow:
    """One utterance with its players in the order of `Grid.systems`."""

    utterance: str
    text: str
    players: tuple[Player, ...]


@dataclass(frozen=True)
class Grid:
    """Players of some utterances of a run.

    Parameters
    ----------
    systems : labels, one a player of each utterance.
    n_utterances : of the whole run.
    embedded : False if the players link to files beside the page.
    """

    systems: tuple[str, ...]
    rows: tuple[GridRow, ...]
    n_utterances: int
    embedded: bool


def make_grid(
    run: Path,
    manifest: Manifest,
    *,
    systems: Sequence[str],
    limit: int = 5,
    link_from: Path | None = None,
) -> Grid:
    """Collect players for the first utterances of a run.

    Parameters
    ----------
    systems : labels in the order of players.
    limit : how many utterances; embedding two seconds at 22.05 kHz takes some 80 kB each.
    link_from : folder of the page, to link to the samples instead of embedding them as FLAC.

    Raises
    ------
    ManifestError if a sample of the manifest is not there.
    """
    samples = {(sample.system, sample.utterance): sample for sample in manifest.samples}
    heard = [one for one in manifest.utterances if any((s, one.id) in samples for s in systems)]
    rows = tuple(
        GridRow(
            one.id,
            one.text,
            tuple(
                _player(run, system, one.id, samples.get((system, one.id)), link_from)
                for system in systems
            ),
        )
        for one in heard[:limit]
    )
    return Grid(tuple(systems), rows, len(manifest.utterances), embedded=link_from is None)


def _player(
    run: Path, system: str, utterance: str, sample: SampleRecord | None, link_from: Path | None
) -> Player:
    label = f"{utterance}, {system}"
    if sample is None:
        return Player(label, "")
    path = run / sample.path
    if not path.is_file():
        raise ManifestError(
            f"{path} is in the manifest and not on disk",
            wanted="every sample of the run",
            do="make the run again with evalsuite generate: finished samples are reused",
        )
    if link_from is not None:
        return Player(label, quote(Path(os.path.relpath(path, link_from)).as_posix()))
    return Player(label, _flac_uri(path))


def _flac_uri(path: Path) -> str:
    """The samples as FLAC in a data URI: lossless, half the size, played by every browser."""
    samples, sample_rate = soundfile.read(path, dtype="int16")
    stream = io.BytesIO()
    soundfile.write(stream, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return f"data:audio/flac;base64,{base64.b64encode(stream.getvalue()).decode()}"
