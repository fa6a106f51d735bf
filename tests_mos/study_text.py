"""The text of a study file: every value with its unit and reason beside it."""

import json
import os
from pathlib import Path

from evalsuite.files import write_text
from tests_mos.model import Study, UtteranceDraw

__all__ = ["CONSENT", "INSTRUCTIONS", "render_study"]

INSTRUCTIONS = """\
You will hear short recordings of speech, one at a time.
Please use headphones and sit in a quiet room.
Listen to each recording to the end, then choose the word that best describes its quality.
Judge the sound only, not what is said. There are no right or wrong answers.
You may listen again before you answer. A chosen answer cannot be changed afterwards."""

CONSENT = """\
Taking part is voluntary. You can stop at any time by closing the page, or withdraw your answers.
We store your answers, when you gave them and how the recordings were played.
The results are published as averages over all listeners."""

_TEXT = """\
# A listening test. Check it with: evalsuite study validate {name}
# Once published, these values are frozen; a change needs a higher version.

id: {id}  # names the study in the ratings table; letters, digits, _ and -
version: {version}  # raise it for any change after the first rating
title: {title}  # shown to listeners: say nothing about what is compared
source: {source}  # what the set-up follows; never shown to listeners

protocol: {protocol}  # absolute category rating, ITU-T P.800 annex B: one sample, one of five words
scale:
  labels: {labels}
  order: {order}  # on the page; best_first or worst_first
question: {question}
instructions: {instructions}
consent: {consent}
language: {language}  # of texts and labels, BCP 47

run: {run}  # folder made by evalsuite generate, relative to this file
systems: # labels in the run; the reference is rated among the others, unannounced
{systems}
utterances: # the same ones for every system; a list of ids, or {{count: N, seed: N}}
{utterances}

# {derived}
listeners: {listeners}  # seats; each is one person's session
{target}
seed: {seed}  # of who hears what in which order; the same seed gives the same design

seat_timeout_minutes: {timeout:g}  # silent for longer: the seat goes to someone else
min_coverage: {coverage:g}  # share of a sample to be heard before an answer counts, 0 to 1
completion:
  code: {code}  # shown at the end; null = a random one for each listener
  url: {url}  # where to go then; {{code}} is replaced; null = nowhere
"""


def render_study(study: Study, path: Path) -> None:
    """Write the study file at `path`, whole or not at all."""
    scores = ", ".join(f"{score}: {_quote(label)}" for score, label in study.scale.shown)
    text = _TEXT.format(
        name=path.name,
        id=_quote(study.id),
        version=study.version,
        title=_quote(study.title),
        source=_quote(study.source),
        protocol=study.protocol,
        labels="{" + scores + "}",
        order=study.scale.order,
        question=_quote(study.question),
        instructions=_block(study.instructions),
        consent=_block(study.consent),
        language=_quote(study.language),
        run="null" if study.run is None else _quote(_relative(study.run, path)),
        systems=_items(study.systems),
        utterances=_utterances(study),
        derived=_derived(study),
        listeners=study.listeners,
        target=_target(study),
        seed=study.seed,
        timeout=study.seat_timeout_minutes,
        coverage=study.min_coverage,
        code=_quote(study.completion.code),
        url=_quote(study.completion.url),
    )
    write_text(path, text)


def _quote(text: str | None) -> str:
    """Texts in double quotes: JSON's are YAML's."""
    return json.dumps(text, ensure_ascii=False)


def _block(text: str) -> str:
    """Longer texts line by line, where that is exact."""
    lines = text.split("\n")
    if any(line != line.strip() or not line or not line.isprintable() for line in lines):
        return _quote(text)
    return "|-\n" + "\n".join(f"  {line}" for line in lines)


def _items(names: tuple[str, ...]) -> str:
    return "\n".join(f"  - {_quote(name)}" for name in names)


def _utterances(study: Study) -> str:
    if isinstance(study.utterances, UtteranceDraw):
        return f"  count: {study.utterances.count}\n  seed: {study.utterances.seed}"
    return _items(study.utterances)


def _relative(run: Path, path: Path) -> str:
    try:
        return Path(os.path.relpath(run, path.resolve().parent)).as_posix()
    except ValueError:  # another drive
        return run.as_posix()


def _derived(study: Study) -> str:
    plan = study.plan()
    low, high = plan.ratings_per_stimulus
    each = f"{low}" if low == high else f"{low} or {high}"
    return (
        f"{plan.listeners} listeners x {plan.trials_per_listener} trials = {plan.n_ratings} "
        f"ratings of {plan.n_stimuli} stimuli, {each} of each"
    )


def _target(study: Study) -> str:
    if study.ratings_per_stimulus is not None:
        value, other = study.ratings_per_stimulus, "ratings_per_listener"
        return f"ratings_per_stimulus: {value}  # or {other}; the other one follows"
    value, other = study.ratings_per_listener or 0, "ratings_per_stimulus"
    return f"ratings_per_listener: {value}  # or {other}; the other one follows"
