"""One line of what an error says, whatever it says."""

import pytest

from vocoders.first_line import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n  one\ntwo"), "one"),
        (ValueError(""), "ValueError"),
        (EOFError(), "EOFError"),
        (KeyError(60), "KeyError: 60"),
    ],
)
def test_there_is_always_one(error: Exception, line: str) -> None:
    assert first_line(error) == line
