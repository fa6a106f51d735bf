"""What the run and the study behind some ratings say about them.

A study file names its run, so the ratings of a study are stamped with what the run's manifest
knows (untrained weights, synthetic speech) whether or not somebody names the run again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.errors import ManifestError

if TYPE_CHECKING:
    from evalsuite.manifest import Manifest
    from tests_mos.study import Study

__all__ = ["RunFacts", "run_facts"]


@dataclass(frozen=True)
class RunFacts:
    """What is known of what was rated.

    Parameters
    ----------
    stamps : what makes the run no result: untrained or weak weights, synthetic speech.
    natural : systems that are the recording itself.
    standards : the recording and the anchors: they do not compete.
    clip_s : (system, utterance) -> seconds of its sample; None without a run.
    table : number of the paper's table that the study says it follows.
    notes : what could not be known.
    """

    stamps: tuple[str, ...]
    natural: frozenset[str]
    standards: frozenset[str]
    clip_s: dict[tuple[str, str], float] | None
    table: int | None = None
    notes: tuple[str, ...] = ()


def run_facts(*, run: Path | None = None, study: Path | None = None) -> RunFacts:
    """Gather the facts; without a run, names alone tell recordings and anchors.

    Parameters
    ----------
    run : a run folder; None for the one that the study names.
    study : a study file; None for ratings from elsewhere.

    Raises
    ------
    ManifestError if `run` has no manifest; one that only the study names is a note instead.
    """
    from evalsuite.manifest import read_manifest

    if study is None:
        return _of_manifest(read_manifest(run) if run else None)
    from tests_mos.study import load_study

    read = load_study(study)
    table = _paper_table(read)
    if run is not None:
        return _of_manifest(read_manifest(run), table)
    if read.run is None:
        return _of_manifest(None, table, ("the study names no run" + _NOT_KNOWN,))
    try:
        return _of_manifest(read_manifest(read.run), table)
    except ManifestError:
        note = f"the run {read.run.name} of the study cannot be read" + _NOT_KNOWN
        return _of_manifest(None, table, (note,))


_NOT_KNOWN = ": whether its speech is synthetic or its weights untrained is not known"


def _of_manifest(
    manifest: "Manifest | None", table: int | None = None, notes: tuple[str, ...] = ()
) -> RunFacts:
    from evalsuite.tables.names import REFERENCE_NAMES, STANDARD_NAMES

    if manifest is None:
        return RunFacts((), REFERENCE_NAMES, STANDARD_NAMES, None, table, notes)
    from evalsuite.report.checklist import manifest_stamps

    families = {one.label: one.family for one in manifest.systems}
    natural = {label for label, family in families.items() if family == "reference"}
    anchors = {label for label, family in families.items() if family == "anchor"}
    return RunFacts(
        tuple(manifest_stamps(manifest)),
        REFERENCE_NAMES | natural,
        STANDARD_NAMES | natural | anchors,
        {(one.system, one.utterance): one.n_samples / one.sample_rate for one in manifest.samples},
        table,
        notes,
    )


def _paper_table(study: "Study") -> int | None:
    """Number of the table that a study follows: its source is that of a ready-made study."""
    from tests_mos.study import load_template, template_names

    if not study.source:
        return None
    for name in template_names():
        if study.source == load_template(name).source:
            return int(name.rpartition("table")[2])
    return None
