"""``evalsuite serve``: the rating app."""

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from evalsuite.errors import Unavailable, UsageError

__all__ = ["require_servable", "serve"]


def require_servable(host: str, port: int) -> None:
    """Refuse at once what would fail later: a missing package, an address that is taken.

    Raises
    ------
    Unavailable, UsageError
    """
    _require_streamlit()
    _require_free_port(host, port)


def _require_streamlit() -> None:
    try:
        import streamlit  # noqa: F401
    except ImportError as error:
        raise Unavailable(
            "streamlit is not installed",
            wanted="the packages of the rating app",
            do="pip install 'evalsuite[app]'",
        ) from error


def _require_free_port(host: str, port: int) -> None:
    """Streamlit would stop without saying which address it could not have."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # A server that was stopped a second ago does not hold the port; one that runs does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"cannot listen on {host}:{port} ({error.strerror})",
                wanted="an address of this machine and a port that nobody uses",
                do="name another one with --host and --port, or stop what uses it",
            ) from error


def serve(
    study: Annotated[Path, typer.Argument(help="The study file.")],
    database: Annotated[
        str | None,
        typer.Option(help="Database URL; default: a SQLite file beside the study."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for all, behind a proxy.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    public_url: Annotated[
        str | None,
        typer.Option(
            help="What listeners open, if a proxy stands in front: printed as the link, and "
            "sessions under other host names are refused.",
            metavar="URL",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Publish a study, if it is not yet, and serve it to listeners until stopped with Ctrl+C."""
    require_servable(host, port)
    from dashboard import settings
    from dashboard.app import run
    from tests_mos.publication import publish_file
    from tests_mos.store import default_url, open_store

    if public_url is not None:
        settings.public_options(public_url)  # refused before anything is published
    url = database or default_url(study)
    with open_store(url) as store:
        plan = publish_file(study, store)[1].plan()
    os.environ[settings.STUDY] = str(study.resolve())
    os.environ[settings.DATABASE] = url
    if not quiet:
        link = public_url or f"http://{_link_host(host)}:{port}/"
        typer.echo(
            f"{plan.listeners} listeners rate {plan.trials_per_listener} samples each: {link}"
        )
        typer.echo("Stop with Ctrl+C. Every answer is stored at once; a restart loses none.")
    run(host=host, port=port, public_url=public_url)


def _link_host(host: str) -> str:
    """Name under which this machine's own browser finds the server."""
    if host in ("127.0.0.1", "0.0.0.0", "::", "::1"):
        return "localhost"
    return f"[{host}]" if ":" in host else host
