"""The option ``--engine`` of the verbs that synthesise."""

from typing import Annotated

import typer

__all__ = ["EngineOption"]

EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="How all systems that offer it compute, unless they name one themselves: "
        "melgan?engine=eager. See evalsuite vocoders NAME.",
    ),
]
