"""``evalsuite vocoders``: what is registered, what can run here, which options there are."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli.console import stderr_console

if TYPE_CHECKING:
    from evalsuite.conformance import CheckResult
    from evalsuite.options import Option
    from evalsuite.registry import Availability

__all__ = ["vocoders"]


def vocoders(
    system: Annotated[
        str | None,
        typer.Argument(help="A vocoder or system text: shows its options and facts."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Try the contract's promises on SYSTEM.")
    ] = False,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="With --check: allow random weights.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> int:
    """List the vocoders, show one's options, or check that one keeps its contract."""
    if system is None:
        return _list_all(as_json=as_json)
    if check:
        return _check(system, untrained=untrained, as_json=as_json)
    return _show(system, as_json=as_json)


def _list_all(*, as_json: bool) -> int:
    from dataclasses import asdict

    from evalsuite.registry import availability, vocoder_names, vocoder_summary

    states = [availability(name) for name in vocoder_names()]
    if as_json:
        rows = [asdict(state) | {"summary": vocoder_summary(state.name)} for state in states]
        typer.echo(json.dumps({"vocoders": rows}))
        return 0
    width = max(len(state.name) for state in states)
    for state in states:
        typer.echo(f"{state.name:<{width}}  {vocoder_summary(state.name)}")
        if not state.available:
            _print_missing(state, width)
    return 0


def _print_missing(state: "Availability", width: int) -> None:
    typer.echo(f"{'':<{width}}  not available: {state.reason}")
    typer.echo(f"{'':<{width}}  {state.how}")


def _show(system: str, *, as_json: bool) -> int:
    from dataclasses import asdict

    from evalsuite.registry import (
        availability,
        parse_system,
        vocoder_options,
        vocoder_summary,
    )

    name = parse_system(system).vocoder
    state, options = availability(name), vocoder_options(name)
    if as_json:
        facts = asdict(state) | {"summary": vocoder_summary(name)}
        facts["options"] = [asdict(option) for option in options]
        typer.echo(json.dumps(facts))
        return 0
    typer.echo(f"{name}: {vocoder_summary(name)}")
    for option in options:
        typer.echo(f"  ?{option.name}={_default_text(option)}  ({option.kind})")
    if not state.available:
        _print_missing(state, 0)
    return 0


def _default_text(option: "Option") -> str:
    if option.default is None:
        return "..."
    return str(option.default).lower() if option.kind == "bool" else str(option.default)


def _check(system: str, *, untrained: bool, as_json: bool) -> int:
    from dataclasses import asdict

    from evalsuite.conformance import check_vocoder
    from evalsuite.registry import create_vocoder, parse_system

    request = parse_system(system)
    with stderr_console().status(f"checking {request.label}"):
        results = check_vocoder(create_vocoder(request, untrained=untrained))
    if as_json:
        typer.echo(json.dumps({"checks": [asdict(result) for result in results]}))
    else:
        for result in results:
            typer.echo(_line(result))
    return 0 if all(result.passed for result in results) else 1


def _line(result: "CheckResult") -> str:
    return f"{'passed' if result.passed else 'FAILED'}  {result.name}  {result.detail}".rstrip()
