"""The text form of systems."""

import pytest

from evalsuite.errors import ConfigError
from evalsuite.system_text import SystemRequest, parse_system, parse_systems


@pytest.mark.parametrize(
    ("text", "request_wanted"),
    [
        ("original", SystemRequest("original", "original")),
        (
            "gl32=griffin_lim?n_iterations=32",
            SystemRequest("gl32", "griffin_lim", None, {"n_iterations": 32}),
        ),
        (
            "baseline=recorded:some/DIR?name=generated_{id}.wav",
            SystemRequest("baseline", "recorded", "some/DIR", {"name": "generated_{id}.wav"}),
        ),
        (
            "melgan:weights/lj?device=cpu",
            SystemRequest("melgan", "melgan", "weights/lj", {"device": "cpu"}),
        ),
        (
            "r=recorded:C:/a=b?name=x={id}&flag=true&rate=-1.5e-3",
            SystemRequest(
                "r", "recorded", "C:/a=b", {"name": "x={id}", "flag": True, "rate": -0.0015}
            ),
        ),
        # Only the usual spelling of a number is one: this may be a file name.
        ("v?tag=007", SystemRequest("v", "v", None, {"tag": "007"})),
    ],
)
def test_systems_are_read(text: str, request_wanted: SystemRequest) -> None:
    assert parse_system(text) == request_wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a name"),
        ("a b", "is not a name"),
        ("../up=original", "label '../up'"),
        (".hidden=original", "label '.hidden'"),
        ("a=b=original", "label 'a=b'"),
        ("melgan:", "nothing follows the colon"),
        ("gl?", "nothing follows the question mark"),
        ("gl?n_iterations", "is not key=value"),
        ("gl?n=1&n=2", "given twice"),
    ],
)
def test_unreadable_systems_say_why(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_system(text)
    assert reason in error.value.got
    assert "[label=]vocoder" in error.value.wanted


def test_lists_keep_their_order_and_refuse_repeated_labels() -> None:
    labels = [request.label for request in parse_systems("world, original,gl=griffin_lim")]
    assert labels == ["world", "original", "gl"]
    with pytest.raises(ConfigError, match="several systems have the label world"):
        parse_systems("world,w=griffin_lim,world?f0=dio")
    with pytest.raises(ConfigError):
        parse_systems("world,,original")
