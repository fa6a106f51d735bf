"""Options read from a signature."""

from typing import Literal

import pytest

from evalsuite.errors import ConfigError
from evalsuite.options import Option, check_options, options_of


def create(
    setup: object,
    *,
    n_iterations: int = 60,
    momentum: float = 0.99,
    f0: Literal["harvest", "dio"] = "harvest",
    name: str = "",
    device: str | None = None,
    preset: Literal["small", "large"] | None = None,
    fast: bool = False,
) -> None: ...


def test_options_are_the_keyword_only_parameters() -> None:
    assert options_of(create) == [
        Option("n_iterations", "int", 60),
        Option("momentum", "float", 0.99),
        Option("f0", "harvest|dio", "harvest"),
        Option("name", "text", ""),
        Option("device", "text", None),
        Option("preset", "small|large", None),
        Option("fast", "bool", False),
    ]


def test_values_take_the_annotated_type() -> None:
    given = {"n_iterations": 3, "momentum": 1, "name": 7, "f0": "dio", "fast": True}
    checked = check_options("v", create, given)
    assert checked == {"n_iterations": 3, "momentum": 1.0, "name": "7", "f0": "dio", "fast": True}
    assert type(checked["momentum"]) is float


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_iteration": 1}, "write 'n_iterations'"),
        ({"zzz": 1}, "one of device, f0, fast, momentum, n_iterations, name"),
        ({"n_iterations": 1.5}, "a whole number"),
        ({"n_iterations": True}, "a whole number"),
        ({"momentum": "high"}, "a number"),
        ({"fast": 1}, "true or false"),
        ({"f0": "yin"}, "one of harvest, dio"),
    ],
)
def test_wrong_options_name_what_is_right(given: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_options("v", create, given)
    assert message in str(error.value)


def test_a_signature_that_cannot_be_checked_is_a_programming_error() -> None:
    def unclear(setup: object, *, sizes: list[int]) -> None: ...

    with pytest.raises(TypeError, match="sizes"):
        options_of(unclear)
