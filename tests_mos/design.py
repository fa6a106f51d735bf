"""Make the design of a study: seats × trials, balanced and drawn by the study's seed."""

from collections.abc import Sequence

import numpy as np

from evalsuite.errors import ConfigError
from tests_mos.allocation import assign_utterances
from tests_mos.model import Study, UtteranceDraw
from tests_mos.plans import Design, TrialPlan
from tests_mos.proof import Proof, prove
from tests_mos.sequences import system_sequences

__all__ = ["Design", "Proof", "TrialPlan", "deal_trials", "make_design", "prove"]


def make_design(study: Study, utterances: Sequence[str] | None = None) -> Design:
    """Deal the stimuli of a study to its seats; equal studies get equal designs.

    Parameters
    ----------
    utterances : ids; needed only if the study draws them (see `tests_mos.samples`).

    Raises
    ------
    ConfigError if the study draws its utterances and none are given, or their number differs.
    """
    if utterances is None and not isinstance(study.utterances, UtteranceDraw):
        utterances = study.utterances
    if utterances is None or len(utterances) != study.n_utterances:
        raise ConfigError(
            f"{0 if utterances is None else len(utterances)} utterances for study {study.id!r}",
            wanted=f"{study.n_utterances} utterance ids",
            do="draw them from the run first",
        )
    plan = study.plan()
    return deal_trials(
        study.systems,
        utterances,
        n_seats=plan.listeners,
        n_trials=plan.trials_per_listener,
        seed=study.seed,
    )


def deal_trials(
    systems: Sequence[str], utterances: Sequence[str], *, n_seats: int, n_trials: int, seed: int
) -> Design:
    """Balanced design for these systems and utterances, with single-stimulus trials.

    >>> design = deal_trials(["a", "b"], ["u", "v"], n_seats=2, n_trials=2, seed=0)
    >>> prove(design).cells
    Range(low=1, high=1)
    """
    generator = np.random.default_rng(seed)
    orders = system_sequences(len(systems), n_trials, n_seats, generator)
    spoken = assign_utterances(orders, len(systems), len(utterances), generator)
    # The first name of a list must not be special: residue 0 starts every pattern.
    named = generator.permutation(len(systems))
    seats = tuple(
        tuple(
            TrialPlan(((systems[named[system]], utterances[utterance]),))
            for system, utterance in zip(order, said, strict=True)
        )
        for order, said in zip(orders, spoken, strict=True)
    )
    return Design(tuple(systems), tuple(utterances), seats)
