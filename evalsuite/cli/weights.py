"""``evalsuite weights``: published checkpoints in, folders with verified tensors out."""

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    name="weights", help="Import published checkpoints and list them.", no_args_is_help=True
)


@app.command("import")
def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="Published checkpoint (.pt or .safetensors).")],
    vocoder: Annotated[str, typer.Option(help="Network it belongs to, such as melgan.")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder to make.")],
    licence: Annotated[str, typer.Option(help="Licence its author gives, for the card.")] = "",
    source: Annotated[str, typer.Option(help="Where it comes from, for the card.")] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace other weights in the folder.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card on stdout.")] = False,
) -> int:
    """Convert FILE once, without running any code in it; every tensor must find its place."""
    _require_neural_extra()
    from vocoders.checkpoints import import_weights

    card = import_weights(
        file, vocoder, folder, licence=licence, source=source, overwrite=overwrite
    )
    if as_json:
        typer.echo(card.model_dump_json())
    else:
        typer.echo(f"{folder}: {card.vocoder} from {card.source_file}", err=True)
        typer.echo(f"use it as the system  {vocoder}:{folder}", err=True)
    return 0


@app.command("list")
def list_imported(
    root: Annotated[
        Path | None,
        typer.Argument(help="Where to look; default $EVALSUITE_WEIGHTS, or weights."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> int:
    """List the imported weights."""
    from evalsuite.weights import list_weights, weights_root

    found = list_weights(root)
    if as_json:
        rows = [{"folder": str(path)} | card.model_dump() for path, card in found.items()]
        typer.echo(json.dumps({"weights": rows}))
        return 0
    for path, card in found.items():
        licence = card.licence or "licence unknown"
        typer.echo(f"{card.vocoder}:{path}  from {card.source_file}  ({licence})")
    if not found:
        typer.echo(f"no weights below {root or weights_root()}", err=True)
    return 0


def _require_neural_extra() -> None:
    from importlib.util import find_spec

    from evalsuite.errors import Unavailable

    missing = [name for name in ("torch", "safetensors") if find_spec(name) is None]
    if missing:
        raise Unavailable(
            f"{', '.join(missing)} not installed",
            wanted="the extra for neural vocoders",
            do="pip install 'evalsuite[neural]'",
        )
