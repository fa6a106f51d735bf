"""How simulated listeners answer: a model with known truth, for trying out tests and statistics.

``score = clip(round(mean of the system + listener + utterance + listener:system
+ utterance:system + noise), 1, 5)``, all effects normal. The standard deviations are assumptions
of the size that listening tests show; the means of the systems are made up or given, and never
come from audio. Nothing that these listeners say is evidence about a system.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from evalsuite.stats.simulate import Effects

__all__ = ["Effects", "SimulatedPanel", "made_up_means"]

_BEST, _WORST = 4.5, 1.6
_REFERENCES = ("original", "reference")


def made_up_means(systems: Sequence[str]) -> dict[str, float]:
    """Even steps from 4.5 to 1.6 in the order of the study, a recording by its name first.

    >>> made_up_means(["melgan", "original", "griffin_lim"])
    {'original': 4.5, 'melgan': 3.05, 'griffin_lim': 1.6}
    """
    order = sorted(systems, key=lambda name: name not in _REFERENCES)
    values = np.linspace(_BEST, _WORST, len(order))
    return {name: round(float(value), 3) for name, value in zip(order, values, strict=True)}


class SimulatedPanel:
    """Answers of listeners 0, 1, 2, …; equal for equal seeds, whatever is asked in which order.

    Parameters
    ----------
    means : system -> latent mean, in points of the scale.
    scores : categories of the scale.
    lazy : these listeners do not listen: the first of them always gives the middle category, the
        next one answers at random, and so on in turn.
    """

    def __init__(
        self,
        means: Mapping[str, float],
        scores: Sequence[int],
        *,
        seed: int,
        effects: Effects | None = None,
        lazy: Sequence[int] = (),
    ) -> None:
        self.means = dict(means)
        self._scores = sorted(scores)
        self._seed = seed
        self._effects = effects or Effects()
        self._lazy = tuple(lazy)

    def score(self, listener: int, system: str, utterance: str) -> int:
        """Category that a listener chooses for a stimulus."""
        if listener in self._lazy:
            return self._careless(listener, system, utterance)
        sd = self._effects
        latent = (
            self.means[system]
            + self._draw(sd.listener, "listener", listener)
            + self._draw(sd.utterance, "utterance", utterance)
            + self._draw(sd.listener_system, "listener:system", listener, system)
            + self._draw(sd.utterance_system, "utterance:system", utterance, system)
            + self._draw(sd.noise, "noise", listener, system, utterance)
        )
        return int(np.clip(round(latent), self._scores[0], self._scores[-1]))

    def _careless(self, listener: int, system: str, utterance: str) -> int:
        if self._lazy.index(listener) % 2 == 0:
            return self._scores[len(self._scores) // 2]
        return int(self._generator("careless", listener, system, utterance).choice(self._scores))

    def _draw(self, sd: float, *what: object) -> float:
        return sd * float(self._generator(*what).standard_normal())

    def _generator(self, *what: object) -> np.random.Generator:
        """A generator of its own for each effect: no answer depends on the order of asking."""
        name = "\0".join(str(part) for part in what).encode()
        return np.random.default_rng([self._seed, *name])
