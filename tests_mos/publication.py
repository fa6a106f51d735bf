"""From a study file to a published study: samples found, design made and proved, all frozen."""

from dataclasses import dataclass
from pathlib import Path

from evalsuite.errors import ConfigError
from tests_mos.design import Design, Proof, make_design, prove
from tests_mos.samples import find_stimuli
from tests_mos.seats import StimulusFile
from tests_mos.store import Store
from tests_mos.study import Study, load_study

__all__ = ["Prepared", "prepare", "publish_file"]


@dataclass(frozen=True)
class Prepared:
    """A study with everything that publishing needs."""

    study: Study
    stimuli: tuple[StimulusFile, ...]
    design: Design
    proof: Proof


def prepare(path: Path) -> Prepared:
    """Read a study file, find its samples, make and prove its design.

    Raises
    ------
    ConfigError, ManifestError as `load_study` and `find_stimuli`.
    """
    study = load_study(path)
    stimuli = find_stimuli(study)
    utterances = tuple(dict.fromkeys(stimulus.utterance for stimulus in stimuli))
    design = make_design(study, utterances)
    return Prepared(study, stimuli, design, prove(design))


def publish_file(path: Path, store: Store) -> tuple[int, Study]:
    """Publish a study file, or find it published; returns its key and the study.

    Raises
    ------
    As `prepare` and `Store.publish`; ConfigError if the design breaks a promise.
    """
    ready = prepare(path)
    broken = [line for line in ready.proof.lines if line.promised and not line.passed]
    if broken:
        raise ConfigError(
            f"{path}: {broken[0].name}: {broken[0].detail}",
            wanted="a design that keeps its promises",
            do="see evalsuite study validate; change listeners or ratings_per_listener",
        )
    return store.publish(ready.study, ready.design, ready.stimuli), ready.study
