"""From a run to the files that listeners hear; only files that are as the manifest says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalsuite.errors import ConfigError, ManifestError
from evalsuite.files import sha256_file
from evalsuite.manifest import Manifest, SampleRecord, read_manifest
from tests_mos.model import Study, UtteranceDraw
from tests_mos.seats import StimulusFile

__all__ = ["Usable", "find_stimuli", "usable_utterances"]

_SHOWN = 5


@dataclass(frozen=True)
class Usable:
    """What of a run can be listened to.

    Parameters
    ----------
    utterances : spoken by all of `systems`, files intact; in the order of the manifest.
    left_out : the other utterances of the run.
    """

    systems: tuple[str, ...]
    utterances: tuple[str, ...]
    left_out: tuple[str, ...]


def usable_utterances(run: Path, systems: Sequence[str] | None = None) -> Usable:
    """Find the utterances that every system has spoken and whose files are intact.

    Parameters
    ----------
    systems : only these, as far as the run has them; None = all of the run.

    Raises
    ------
    ManifestError if the run has no usable manifest.
    ConfigError if none of the systems is in the run or no utterance is usable.
    """
    manifest = read_manifest(run)
    present = tuple(record.label for record in manifest.systems)
    chosen = tuple(label for label in present if systems is None or label in systems)
    if not chosen:
        raise ConfigError(
            f"{run} has the systems {', '.join(present) or '(none)'}",
            wanted=f"at least one of {', '.join(systems or ('any system',))}",
            do="generate them under these labels, or start from a study without --like",
        )
    samples = _by_cell(manifest)
    names = [record.id for record in manifest.utterances]
    usable = tuple(
        name for name in names if all(_fault(run, samples, s, name) is None for s in chosen)
    )
    if not usable:
        raise ConfigError(
            f"{run} has no utterance that is intact for all of {', '.join(chosen)}",
            wanted="finished samples of the same utterances by every system",
            do=f"run evalsuite generate and evalsuite check on {run}",
        )
    left_out = tuple(name for name in names if name not in usable)
    return Usable(chosen, usable, left_out)


def find_stimuli(study: Study) -> tuple[StimulusFile, ...]:
    """Every file of a study, utterance by utterance, each checked against its recorded hash.

    Raises
    ------
    ConfigError if the study names no run, a system the run has not, or more utterances than there
        are.
    ManifestError listing every sample that is missing or not as it was generated.
    """
    if study.run is None:
        raise ConfigError(
            f"study {study.id!r} names no run",
            wanted="the folder of a run",
            do="write run: into the file, or make it with evalsuite study new RUN --like NAME",
        )
    manifest = read_manifest(study.run)
    samples = _by_cell(manifest)
    utterances = _utterances(study, manifest, samples)
    cells = [(system, name) for name in utterances for system in study.systems]
    faults = [
        f"{system}/{name}: {fault}"
        for system, name in cells
        if (fault := _fault(study.run, samples, system, name))
    ]
    if faults:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise ManifestError(
            f"{'; '.join(faults[:_SHOWN])}{more}",
            wanted=f"an intact sample of each of {len(cells)} stimuli in {study.run}",
            do="run evalsuite generate again, or leave these utterances out of the study",
        )
    return tuple(_stimulus(study.run, samples[cell]) for cell in cells)


def _by_cell(manifest: Manifest) -> dict[tuple[str, str], SampleRecord]:
    return {(record.system, record.utterance): record for record in manifest.samples}


def _fault(
    run: Path, samples: dict[tuple[str, str], SampleRecord], system: str, utterance: str
) -> str | None:
    """Why a sample cannot be used; None if it can."""
    record = samples.get((system, utterance))
    if record is None:
        return "not in the manifest"
    path = run / record.path
    if not path.resolve().is_relative_to(run.resolve()):
        return "lies outside the run"
    if not path.is_file():
        return "file is missing"
    return None if sha256_file(path) == record.sha256 else "file changed since it was generated"


def _utterances(
    study: Study, manifest: Manifest, samples: dict[tuple[str, str], SampleRecord]
) -> tuple[str, ...]:
    chosen = study.utterances
    if not isinstance(chosen, UtteranceDraw):
        return chosen
    common = [
        record.id
        for record in manifest.utterances
        if all((system, record.id) in samples for system in study.systems)
    ]
    if len(common) < chosen.count:
        raise ConfigError(
            f"study {study.id!r} draws {chosen.count} utterances; "
            f"{len(common)} are spoken by all its systems",
            wanted="at least as many as are drawn",
            do="lower utterances.count, or generate more",
        )
    picked = np.random.default_rng(chosen.seed).permutation(len(common))[: chosen.count]
    return tuple(common[index] for index in sorted(picked))


def _stimulus(run: Path, record: SampleRecord) -> StimulusFile:
    return StimulusFile(
        system=record.system,
        utterance=record.utterance,
        run=run,
        path=Path(record.path),
        sha256=record.sha256,
        duration_s=record.n_samples / record.sample_rate,
    )
