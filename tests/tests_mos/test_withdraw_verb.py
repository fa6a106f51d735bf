"""``evalsuite study withdraw``: a listener takes their answers back by the code in their link."""

from pathlib import Path

import pytest

from evalsuite.cli import study as verbs
from evalsuite.errors import UsageError
from tests_mos.store import default_url, open_store


def test_withdrawn_ratings_leave_the_export(tmp_path: Path, run: Path) -> None:
    path = tmp_path / "test.yaml"
    verbs.new(run, output=path, listeners=4)
    verbs.publish(path)
    verbs.simulate(path)
    with open_store(default_url(path)) as store:
        before = store.ratings(1)
        seat = store.enter(1, "simulated-0-0", attributes={}, simulated=True)
    verbs.withdraw(path, code=seat.resume_code)
    with open_store(default_url(path)) as store:
        after = store.ratings(1)
    assert set(before["listener"]) - set(after["listener"]) == {seat.listener}
    assert len(before) - len(after) == seat.n_trials
    with pytest.raises(UsageError, match="nonsense"):
        verbs.withdraw(path, code="nonsense")
