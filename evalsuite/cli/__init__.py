"""The command line: one verb, one function, one module.

This package is the composition root: it alone may use the other three packages, and only inside
function bodies, so that ``evalsuite --help`` imports nothing heavy.

Exit codes: 0 done, 1 partly failed, 2 usage or configuration, 3 input, 130 stopped by the user.
"""

import json
import sys
from typing import Annotated

import typer

from evalsuite import __version__
from evalsuite.cli import weights
from evalsuite.cli.analyze import analyze
from evalsuite.cli.benchmark import benchmark
from evalsuite.cli.check import check
from evalsuite.cli.demo import demo
from evalsuite.cli.export import export_onnx
from evalsuite.cli.generate import generate
from evalsuite.cli.metrics import metrics
from evalsuite.cli.plan import plan
from evalsuite.cli.report import report
from evalsuite.cli.serve import serve
from evalsuite.cli.study import study_app
from evalsuite.cli.tables import tables
from evalsuite.cli.train import train
from evalsuite.cli.vocoders import vocoders
from evalsuite.errors import EvalsuiteError

__all__ = ["app", "main"]

app = typer.Typer(
    name="evalsuite",
    help="Recordings in, trusted comparison tables out, with people's ears in the middle.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# In the order of the work, which is the order of the help page.
app.command()(demo)
app.command()(generate)
app.command()(check)
app.command()(metrics)
app.command()(plan)
app.add_typer(study_app)
app.command()(serve)
app.command()(analyze)
app.command()(benchmark)
app.command()(tables)
app.command()(report)
app.command()(vocoders)
app.command("export-onnx")(export_onnx)
app.add_typer(weights.app)
app.command()(train)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"evalsuite {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Recordings in, trusted comparison tables out, with people's ears in the middle."""


def _report(error: EvalsuiteError) -> None:
    """Errors go to stderr; with --json the same goes to stdout for the program that reads it."""
    typer.echo(f"{type(error).__name__}: {error}", err=True)
    if "--json" in sys.argv:
        kind = type(error).__name__
        parts = {"kind": kind, "got": error.got, "wanted": error.wanted, "do": error.do}
        typer.echo(json.dumps({"error": parts}))


def main() -> None:
    """Entry point of the ``evalsuite`` script: runs a verb and turns errors into exit codes."""
    try:
        code = app(standalone_mode=False)
    except EvalsuiteError as error:
        _report(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("stopped", err=True)
        sys.exit(130)
    except Exception as error:
        # Typer's own usage errors know how to show themselves; anything else is a bug.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        sys.exit(getattr(error, "exit_code", 2))
    sys.exit(code if isinstance(code, int) else 0)
