from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evalsuite.errors import StoreError, StudyFull, UsageError
from tests_mos.listener_model import Effects, SimulatedPanel, made_up_means
from tests_mos.simulate import simulate_listeners
from tests_mos.store import Store, open_store
from tests_mos.study import Study

Publish = Callable[[Store, Study], int]
MEANS = {"original": 4.5, "melgan": 3.5, "griffin_lim": 1.7}


def test_every_row_and_the_study_are_marked(store: Store, study: Study, study_id: int) -> None:
    done = simulate_listeners(store, study_id, study, seed=1)
    frame = store.ratings(study_id)
    assert (done.listeners, done.ratings, len(frame)) == (6, 24, 24)
    assert frame["simulated"].all()
    assert set(frame["role"]) == {"test"}
    status = store.status(study_id)
    assert (status.simulated, status.people) == (24, 0)
    assert done.lazy == ("L0006",)
    assert set(frame["score"][frame["listener"] == "L0006"]) == {3.0}


def test_equal_seeds_give_equal_answers(study: Study, publish: Publish, tmp_path: Path) -> None:
    frames = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        with open_store(f"sqlite:///{tmp_path / name}.sqlite") as store:
            study_id = publish(store, study)
            simulate_listeners(store, study_id, study, seed=seed)
            frames.append(store.ratings(study_id)["score"].tolist())
    assert frames[0] == frames[1] != frames[2]


def test_a_repeat_adds_nothing_and_a_stopped_run_goes_on(
    store: Store, study: Study, study_id: int
) -> None:
    first = simulate_listeners(store, study_id, study, seed=1, n_listeners=2)
    assert (first.listeners, first.lazy) == (2, ())
    again = simulate_listeners(store, study_id, study, seed=1, n_listeners=2)
    assert (again.listeners, again.ratings) == (0, 0)
    more = simulate_listeners(store, study_id, study, seed=1, n_listeners=6)
    assert (more.listeners, len(store.ratings(study_id))) == (4, 24)


def test_people_are_not_mixed_with_simulation(store: Store, study: Study, study_id: int) -> None:
    person = store.enter(study_id, "person", attributes={})
    with pytest.raises(StoreError, match="1 people take part"):
        simulate_listeners(store, study_id, study, seed=1)
    simulate_listeners(store, study_id, study, seed=1, n_listeners=2, allow_mixed=True)
    trial = store.next_trials(person.seat_id)[0]
    store.rate(person.seat_id, trial.trial_id, [5], submit_key="k", telemetry={})
    frame = store.ratings(study_id).set_index("listener")["simulated"]
    assert not frame["L0001"]
    assert frame.drop("L0001").all()


def test_too_few_seats(store: Store, study: Study, study_id: int) -> None:
    with pytest.raises(StudyFull, match="simulate 6 listeners"):
        simulate_listeners(store, study_id, study, seed=1, n_listeners=8)


def test_means_must_be_of_the_systems(store: Store, study: Study, study_id: int) -> None:
    with pytest.raises(UsageError, match="one for each of griffin_lim, melgan, original"):
        simulate_listeners(store, study_id, study, seed=1, means={"original": 4.0})


def test_session_ends_now_and_took_its_time(store: Store, study: Study, study_id: int) -> None:
    simulate_listeners(store, study_id, study, seed=1, n_listeners=1)
    frame = store.ratings(study_id)
    times = np.array([np.datetime64(text[:-6]) for text in frame["submitted_at"]])
    assert np.diff(times).astype("timedelta64[ms]").astype(int) == pytest.approx([5000] * 3, abs=2)


# -- the model -----------------------------------------------------------------------------------


def scores_of(panel: SimulatedPanel, n_listeners: int, n_utterances: int) -> np.ndarray:
    """Shape (listener, system, utterance)."""
    return np.array(
        [
            [[panel.score(i, s, f"u{u}") for u in range(n_utterances)] for s in panel.means]
            for i in range(n_listeners)
        ],
        dtype=float,
    )


def test_answers_do_not_depend_on_the_order_of_asking() -> None:
    panels = [SimulatedPanel(MEANS, range(1, 6), seed=3) for _ in range(2)]
    asked = [(i, s, u) for i in range(5) for s in MEANS for u in ("a", "b")]
    forward = {what: panels[0].score(*what) for what in asked}
    backward = {what: panels[1].score(*what) for what in reversed(asked)}
    assert forward == backward


def test_means_come_out_where_they_were_put() -> None:
    """Seed-averaged means equal the exact mean of the rounded, clipped normal."""
    from scipy.stats import norm

    scores = scores_of(SimulatedPanel(MEANS, range(1, 6), seed=0), 60, 40)
    sd = np.sqrt(0.5**2 + 0.3**2 + 0.25**2 + 0.2**2 + 0.7**2)
    for found, latent in zip(scores.mean(axis=(0, 2)), MEANS.values(), strict=True):
        cuts = np.array([1.5, 2.5, 3.5, 4.5])
        exact = 1 + norm.sf(cuts, latent, sd).sum()
        assert found == pytest.approx(exact, abs=0.25)  # 60 listeners: standard error about 0.09


@pytest.mark.parametrize(("name", "axes"), [("listener", (1, 2)), ("utterance", (0, 1))])
def test_each_effect_moves_what_it_belongs_to(name: str, axes: tuple[int, ...]) -> None:
    """Only one effect on: means over everything else vary, the rest is constant."""
    off = dict.fromkeys(
        ("listener", "utterance", "listener_system", "utterance_system", "noise"), 0.0
    )
    effects = Effects(**{**off, name: 1.0})
    panel = SimulatedPanel({"s": 3.0, "t": 3.0}, range(1, 6), seed=0, effects=effects)
    scores = scores_of(panel, 30, 30)
    assert np.ptp(scores.mean(axis=axes)) > 1
    assert np.ptp(scores, axis=axes).max() == 0


def test_without_effects_everybody_gives_the_rounded_mean() -> None:
    effects = Effects(0.0, 0.0, 0.0, 0.0, 0.0)
    panel = SimulatedPanel({"s": 3.6, "t": 9.0}, range(1, 6), seed=0, effects=effects)
    assert (scores_of(panel, 3, 3) == np.array([4, 5])[None, :, None]).all()


def test_lazy_listeners() -> None:
    panel = SimulatedPanel(MEANS, range(1, 6), seed=0, lazy=(0, 1))
    scores = scores_of(panel, 2, 50)
    assert (scores[0] == 3).all()
    assert set(scores[1].ravel()) == {1, 2, 3, 4, 5}
    assert abs(scores[1].mean(axis=1) - 3).max() < 0.7  # at random: no system is better


def test_made_up_means_are_even_steps() -> None:
    means = made_up_means(["a", "b", "c", "reference"])
    assert list(means) == ["reference", "a", "b", "c"]
    assert np.diff(list(means.values())) == pytest.approx([-2.9 / 3] * 3, abs=1e-3)
