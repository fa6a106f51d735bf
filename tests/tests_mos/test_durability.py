"""A killed server loses no rating that it has acknowledged."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests_mos.store import open_store
from tests_mos.study import Study

# Acknowledges each rating on a pipe after `rate` has returned, until it is killed. The lines are so
# long that the pipe holds 64 of them: however late the killer is, the writer waits for it.
WRITER = """
import os, sys
from tests_mos.store import open_store
store = open_store(sys.argv[1])
seat = store.enter(int(sys.argv[2]), sys.argv[3], attributes={})
for trial in store.next_trials(seat.seat_id, seat.n_trials):
    key = f"{sys.argv[3]}-{trial.trial_id}"
    store.rate(seat.seat_id, trial.trial_id, [3], submit_key=key, telemetry={})
    os.write(1, f"{trial.trial_id:>1023}\\n".encode())
os.write(1, b"all\\n")
"""
ROUNDS = 5


def test_kill_nine_loses_nothing(study: Study, publish: Callable[..., int], tmp_path: Path) -> None:
    long = study.model_copy(update={"listeners": ROUNDS, "ratings_per_listener": 400})
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    with open_store(url) as store:
        study_id = publish(store, long)
    acknowledged = 0
    for number in range(ROUNDS):
        command = [sys.executable, "-c", WRITER, url, str(study_id), f"person{number}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            # Somewhere in the middle of its work, at another point in each round.
            lines = [writer.stdout.readline() for _ in range(3 + 9 * number)]
            writer.kill()
            lines += writer.stdout.readlines()
        told = [int(line) for line in lines if line.endswith(b"\n") and line != b"all\n"]
        assert writer.returncode == -9 and b"all\n" not in lines
        with open_store(url) as store:
            seat = store.enter(study_id, f"person{number}", attributes={})
            # Everything that was acknowledged is there; at most one more was on its way.
            assert len(told) <= seat.n_rated <= len(told) + 1
            waiting = {trial.trial_id for trial in store.next_trials(seat.seat_id, 400)}
            assert not waiting & set(told)
        acknowledged += len(told)
    with open_store(url) as store:
        assert acknowledged <= len(store.ratings(study_id)) <= acknowledged + ROUNDS
    assert acknowledged >= sum(3 + 9 * number for number in range(ROUNDS))
    assert os.path.getsize(tmp_path / "store.sqlite") > 0
