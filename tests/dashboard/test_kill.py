"""kill -9 under load: what a listener was shown as stored is stored, once.

Three rounds by default; ``EVALSUITE_KILL_ROUNDS=20`` for the full run.
"""

import asyncio
import os
import random
from pathlib import Path

import pytest
from listening_site import Site, make_study, serving
from protocol_listener import Listener

ROUNDS = int(os.environ.get("EVALSUITE_KILL_ROUNDS", "3"))
LISTENERS = 10
TRIALS = 60 * max(1, ROUNDS // 3)
THINK_S = 0.05
pytestmark = pytest.mark.timeout(240 + 60 * ROUNDS)  # a busy machine starts a server slowly


async def progress(listeners: list[Listener], at_least: int) -> None:
    """Wait until every listener who is not done has that many more acknowledged answers."""
    goals = {listener.seed: len(listener.acknowledged) + at_least for listener in listeners}
    while any(
        len(listener.acknowledged) < goals[listener.seed] and not listener.finished
        for listener in listeners
    ):
        await asyncio.sleep(0.01)


async def kill_rounds(site: Site, listeners: list[Listener]) -> None:
    moments = random.Random(1)
    stop = asyncio.Event()
    tasks = [asyncio.create_task(listener.rate_until(stop)) for listener in listeners]
    for _ in range(ROUNDS):
        await progress(listeners, 2)
        await asyncio.sleep(moments.uniform(0, 0.3))  # the moment of death is the experiment
        await asyncio.to_thread(site.kill)
        await asyncio.to_thread(site.start)
    await progress(listeners, 2)
    stop.set()
    await asyncio.gather(*tasks)


def test_no_acknowledged_answer_is_lost_or_doubled(tmp_path: Path) -> None:
    study = make_study(tmp_path, listeners=LISTENERS, trials=TRIALS, duration_s=0.05)
    with serving(study) as site, site.store() as store:
        seats = [store.enter(1, None, attributes={}) for _ in range(LISTENERS)]
        listeners = [
            Listener(site.url, seat.resume_code, think_s=THINK_S, seed=number)
            for number, seat in enumerate(seats)
        ]
        asyncio.run(kill_rounds(site, listeners))
        stored = scores_by_trial(study)
    acknowledged = {t: s for listener in listeners for t, s in listener.acknowledged.items()}
    lost = {trial for trial, score in acknowledged.items() if stored.get(trial) != [score]}
    doubled = {trial for trial, scores in stored.items() if len(scores) > 1}
    print(
        f"{ROUNDS} kills, {len(acknowledged)} acknowledged, {len(stored)} stored, "
        f"{len(lost)} lost or changed, {len(doubled)} doubled, "
        f"{sum(listener.reconnections for listener in listeners)} reconnections"
    )
    assert (lost, doubled) == (set(), set())
    assert len(acknowledged) >= 2 * LISTENERS * (ROUNDS + 1)
    # every listener who was not done before lived through every kill
    assert all(one.finished or one.reconnections >= ROUNDS for one in listeners)
    assert sum(one.reconnections for one in listeners) >= ROUNDS


def scores_by_trial(study: Path) -> dict[int, list[float]]:
    """Every stored rating, read past the store: trial -> scores."""
    import sqlite3

    connection = sqlite3.connect(study.with_suffix(".sqlite"))
    rows = connection.execute("select trial_id, score from rating").fetchall()
    connection.close()
    found: dict[int, list[float]] = {}
    for trial, score in rows:
        found.setdefault(trial, []).append(score)
    return found
