"""Study files: read one, make one for a run, write one with its explanations."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from evalsuite.errors import ConfigError, UnknownName
from tests_mos.model import Completion, Scale, SessionPlan, Study, UtteranceDraw
from tests_mos.samples import usable_utterances
from tests_mos.strict_yaml import explain_value, read_model
from tests_mos.study_text import CONSENT, INSTRUCTIONS, render_study

__all__ = [
    "Completion",
    "Scale",
    "SessionPlan",
    "Study",
    "UtteranceDraw",
    "load_study",
    "load_template",
    "new_study",
    "template_names",
    "write_study",
]

_TEMPLATES = Path(__file__).parent / "studies"
_LISTENERS = 20  # fewer say little about listeners who were not asked
_RATINGS_PER_STIMULUS = 4
_UTTERANCES = 20


def load_study(path: Path) -> Study:
    """Read a study file; `run` becomes absolute, relative ones being meant from the file's folder.

    Raises
    ------
    ConfigError naming the line (see `tests_mos.strict_yaml.read_model`), or if some stimulus
        would get no rating.
    """
    study = read_model(path, Study)
    plan = study.plan()
    if plan.ratings_per_stimulus[0] == 0:
        raise ConfigError(
            f"{path}: {plan.n_ratings} ratings for {plan.n_stimuli} stimuli",
            wanted="at least one rating of every stimulus",
            do="raise listeners or ratings_per_listener, or take fewer utterances",
        )
    if study.run is None:
        return study
    return study.model_copy(update={"run": (path.parent / study.run).resolve()})


def template_names() -> list[str]:
    """Names of the ready-made studies.

    >>> template_names()
    ['melgan_table2', 'melgan_table3', 'melgan_table4']
    """
    return sorted(path.stem for path in _TEMPLATES.glob("*.yaml"))


def load_template(name: str) -> Study:
    """Read a ready-made study; it names no run.

    Raises
    ------
    UnknownName if there is none of this name.
    """
    if name not in template_names():
        raise UnknownName(
            f"ready-made study {name!r}",
            wanted=f"one of {', '.join(template_names())}",
            do="choose one of them",
        )
    return load_study(_TEMPLATES / f"{name}.yaml")


def new_study(
    run: Path,
    *,
    study_id: str = "study",
    like: str | None = None,
    n_utterances: int | None = None,
    listeners: int | None = None,
    ratings_per_stimulus: int | None = None,
    ratings_per_listener: int | None = None,
    seed: int = 0,
) -> Study:
    """Make a study for a run, with sensible values where none are given.

    Parameters
    ----------
    like : a ready-made study (`template_names`) whose numbers and texts are taken over, with
        those of its systems that the run has.
    n_utterances : so many are drawn by `seed` from those that every system has spoken and whose
        files are as the manifest says; None = 20, or all if there are fewer.

    Raises
    ------
    ManifestError, ConfigError if the run has nothing to listen to; UnknownName for `like`;
    ConfigError for values that make no study.
    """
    if ratings_per_stimulus is not None and ratings_per_listener is not None:
        raise ConfigError(
            f"ratings_per_stimulus {ratings_per_stimulus} and "
            f"ratings_per_listener {ratings_per_listener}",
            wanted="one of the two: the other one follows from it",
            do="leave one of them out",
        )
    template = load_template(like) if like else None
    usable = usable_utterances(run, template.systems if template else None)
    values = template.model_dump(exclude={"utterances"}) if template else _defaults(usable.systems)
    wanted = n_utterances or (template.n_utterances if template else _UTTERANCES)
    values |= {
        "id": study_id,
        "run": run.resolve(),
        "systems": usable.systems,
        "utterances": _choose(usable.utterances, wanted, seed, required=n_utterances is not None),
        "seed": seed,
    }
    if listeners is not None:
        values["listeners"] = listeners
    if ratings_per_stimulus is not None or ratings_per_listener is not None:
        values["ratings_per_stimulus"] = ratings_per_stimulus
        values["ratings_per_listener"] = ratings_per_listener
    try:
        return Study(**values)
    except ValidationError as error:
        raise explain_value(error) from error


def write_study(study: Study, path: Path) -> None:
    """Write a study file with a comment on every value; `run` relative to it where possible."""
    render_study(study, path)


def _defaults(systems: Sequence[str]) -> dict[str, object]:
    return {
        "instructions": INSTRUCTIONS,
        "consent": CONSENT,
        "listeners": max(_LISTENERS, _RATINGS_PER_STIMULUS * len(systems)),
        "ratings_per_stimulus": _RATINGS_PER_STIMULUS,
    }


def _choose(
    usable: tuple[str, ...], wanted: int, seed: int, *, required: bool
) -> tuple[str, ...] | UtteranceDraw:
    """All utterances by name, or a draw of so many of them."""
    if wanted > len(usable) and required:
        raise ConfigError(
            f"{wanted} utterances wanted, {len(usable)} usable",
            wanted="utterances that every system has spoken, with intact files",
            do="ask for fewer, or generate the missing samples",
        )
    if wanted >= len(usable):
        return usable
    return UtteranceDraw(count=wanted, seed=seed)
