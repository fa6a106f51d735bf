"""The lock of a run folder: one writer, and never a stale lock."""

import subprocess
import sys
from pathlib import Path

import pytest

from evalsuite.errors import UsageError
from evalsuite.lock import lock_run

HOLD = (
    "import sys; from pathlib import Path; from evalsuite.lock import lock_run\n"
    "with lock_run(Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)


def test_a_second_writer_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=f"in use by process {holder.pid}"), lock_run(tmp_path):
            pass
        holder.kill()
    # Killed, not closed: the lock of a dead process is free at once.
    with lock_run(tmp_path):
        pass


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), lock_run(tmp_path):
        raise RuntimeError
    with lock_run(tmp_path):
        pass
