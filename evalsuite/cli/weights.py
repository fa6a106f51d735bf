"""``evalsuite weights``: published checkpoints in, folders with verified tensors out."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli.own_weights import add_verbs

if TYPE_CHECKING:
    from evalsuite.fetch_release import Fetched
    from evalsuite.releases import Release
    from evalsuite.weights_overview import VocoderWeights

__all__ = ["app"]

app = typer.Typer(
    name="weights",
    help="Fetch and import published checkpoints, list what is here, ship your own.",
    no_args_is_help=True,
)

_Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace other weights in the folder.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


@app.command("import")
def import_checkpoint(
    file: Annotated[
        Path, typer.Argument(help="Published checkpoint (.pt, .pth, .pkl, .safetensors, ...).")
    ],
    vocoder: Annotated[str, typer.Option(help="Network it belongs to, such as melgan.")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder to make.")],
    config: Annotated[
        Path | None, typer.Option(help="Architecture published beside it: JSON, YAML, args.yml.")
    ] = None,
    stats: Annotated[
        Path | None, typer.Option(help="Mel statistics: stats.h5, stats.npy, meanvar.joblib.")
    ] = None,
    further: Annotated[
        list[Path] | None,
        typer.Option("--with", help="A second checkpoint of the same system. Repeatable."),
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence its author gives, for the card.")] = "",
    source: Annotated[str, typer.Option(help="Where it comes from, for the card.")] = "",
    overwrite: _Overwrite = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card on stdout.")] = False,
) -> int:
    """Convert FILE once, without running any code in it; every tensor must find its place."""
    _require_neural_extra()
    from vocoders.checkpoints import import_weights

    card = import_weights(
        file,
        vocoder,
        folder,
        further=further or [],
        config=config,
        statistics=stats,
        licence=licence,
        source=source,
        overwrite=overwrite,
    )
    if as_json:
        typer.echo(card.model_dump_json())
    else:
        typer.echo(f"{folder}: {card.vocoder} from {card.source_file} ({card.container})", err=True)
        typer.echo(f"use it as the system  {vocoder}:{folder}", err=True)
    return 0


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="A release; evalsuite weights list shows them.")],
    folder: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder to make; default: NAME among the weights."),
    ] = None,
    sha256: Annotated[
        list[str] | None,
        typer.Option(help="HASH of the checkpoint, or FILE=HASH. Repeatable."),
    ] = None,
    trust_on_first_use: Annotated[
        bool,
        typer.Option("--trust-on-first-use", help="Take files nobody vouches for as they come."),
    ] = False,
    download_only: Annotated[
        bool, typer.Option("--download-only", help="Verify the files, but do not import them.")
    ] = False,
    overwrite: _Overwrite = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    as_json: _Json = False,
) -> int:
    """Download a published release, verify it and import it. Goes on where it broke off."""
    from evalsuite.fetch_release import fetch_release
    from evalsuite.releases import find_release
    from evalsuite.weights import weights_root

    release = find_release(name)
    if not download_only:
        _require_neural_extra()
    with _file_bars(quiet=quiet) as show:
        fetched = fetch_release(
            release,
            sha256=_hashes(release, sha256 or []),
            trust_on_first_use=trust_on_first_use,
            show=show,
        )
    _announce_trust(fetched)
    place = None if download_only else folder or weights_root() / release.name
    if place is not None:
        _import_release(release, fetched, place, overwrite=overwrite)
    if as_json:
        files = {role: str(path) for role, path in fetched.paths.items()}
        facts = {"release": release.name, "files": files, "trusted": dict(fetched.newly_trusted)}
        typer.echo(json.dumps(facts | {"folder": None if place is None else str(place)}))
    elif place is not None:
        typer.echo(f"use it as the system  {release.vocoder}:{place}", err=True)
    return 0


@app.command("list")
def list_imported(
    root: Annotated[
        Path | None,
        typer.Argument(help="Where to look; default $EVALSUITE_WEIGHTS, or weights."),
    ] = None,
    as_json: _Json = False,
) -> int:
    """List the weights that are here, and for each vocoder how to get more."""
    from evalsuite.weights import list_weights, weights_root
    from evalsuite.weights_overview import weights_overview

    found, overview = list_weights(root), weights_overview(root)
    if as_json:
        rows = [{"folder": str(path)} | card.model_dump() for path, card in found.items()]
        typer.echo(json.dumps({"weights": rows, "vocoders": [_facts(one) for one in overview]}))
        return 0
    for path, card in found.items():
        licence = card.licence or "licence unknown"
        typer.echo(f"{card.vocoder}:{path}  from {card.source_file}  ({licence})")
    if not found:
        typer.echo(f"no weights below {root or weights_root()}", err=True)
    for one in overview:
        _print_vocoder(one)
    return 0


add_verbs(app)


def _print_vocoder(one: "VocoderWeights") -> None:
    state = ", ".join(one.systems) if one.systems else "missing"
    typer.echo(f"\n{one.vocoder}: {state}")
    for release in one.releases:
        hand = "; by hand" if release.by_hand else ""
        typer.echo(f"  evalsuite weights fetch {release.name}")
        typer.echo(f"      {release.summary} ({release.licence}{hand}{_vouched(release)})")
    typer.echo(f"  {one.import_command}")


def _vouched(release: "Release") -> str:
    unknown = [file.name for file in release.files if file.sha256 is None]
    return f"; SHA-256 of {', '.join(unknown)} unknown" if unknown else ""


def _facts(one: "VocoderWeights") -> dict[str, object]:
    from dataclasses import asdict

    return {
        "vocoder": one.vocoder,
        "missing": not one.systems,
        "systems": one.systems,
        "releases": [
            asdict(release) | {"fetch": f"evalsuite weights fetch {release.name}"}
            for release in one.releases
        ],
        "import": one.import_command,
    }


def _import_release(
    release: "Release", fetched: "Fetched", folder: Path, *, overwrite: bool
) -> None:
    from vocoders.checkpoints import import_weights

    trusted = "; SHA-256 trusted on first use" if fetched.newly_trusted else ""
    import_weights(
        fetched.paths["checkpoint"],
        release.vocoder,
        folder,
        config=fetched.paths.get("config"),
        statistics=fetched.paths.get("statistics"),
        licence=release.licence,
        source=f"{release.source} ({release.name}{trusted})",
        overwrite=overwrite,
    )


def _announce_trust(fetched: "Fetched") -> None:
    from evalsuite.cli.console import stderr_console

    for name, digest in fetched.newly_trusted.items():
        stderr_console().print(
            f"TRUSTED ON FIRST USE: {name}\nNobody vouches for it. From now on it must have "
            f"SHA-256 {digest}",
            style="bold red",
            soft_wrap=True,
        )


def _hashes(release: "Release", given: list[str]) -> dict[str, str]:
    """Read ``HASH`` (of the checkpoint) and ``FILE=HASH``."""
    pairs = [text.rpartition("=") for text in given]
    return {name or release.files[0].name: digest for name, _, digest in pairs}


@contextmanager
def _file_bars(*, quiet: bool) -> Iterator[Callable[[str], Callable[[int, int | None], None]]]:
    """Give what makes a progress bar for one file, counted in MB."""
    import time

    from evalsuite.cli.console import progress_bar

    with progress_bar(quiet=quiet) as bar:

        def show(name: str) -> Callable[[int, int | None], None]:
            task = bar.add_task(f"{name}, MB", total=None, rate="")
            started = time.monotonic()
            at_start: int | None = None

            def update(done: int, total: int | None) -> None:
                nonlocal at_start
                # What an earlier run fetched is no speed of this one.
                at_start = done if at_start is None else at_start
                seconds = max(time.monotonic() - started, 1e-3)
                rate = f"{(done - at_start) / 1e6 / seconds:.1f} MB/s"
                whole = None if total is None else total / 1e6
                bar.update(task, completed=done / 1e6, total=whole, rate=rate)

            return update

        yield show


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
