"""The rating app as one ASGI process: Streamlit page, audio, health.

All state is in the database. A reload, another browser, a restarted server: each continues from
the resume code in the address. ``evalsuite serve`` starts it; for an ASGI server of your own set
the environment of `dashboard.settings` and name ``dashboard.app:create_app`` as the factory.
"""

import asyncio
import contextlib
import gc
import importlib
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard import audio_route
from dashboard.security import SecurityHeaders
from dashboard.session import current_service
from dashboard.settings import STREAMLIT, public_options
from dashboard.texts import ENGLISH

__all__ = ["create_app", "run"]

EXPIRY_CHECK_S = 30.0

_log = logging.getLogger(__name__)


async def _ready(_request: Request) -> Response:
    """Say whether the database answers; for health checks."""
    try:
        await run_in_threadpool(lambda: current_service().ping())
    except Exception:
        _log.exception("not ready")
        return JSONResponse({"ready": False}, status_code=503)
    return JSONResponse({"ready": True})


async def _robots(_request: Request) -> Response:
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


def _on_script_error(error: Exception) -> bool:
    """Show our own words: Streamlit's would show the listener paths and exception text."""
    _log.error("a page failed", exc_info=error)
    st.error(ENGLISH["error"])
    return True


async def _release_seats() -> None:
    """Give abandoned seats back, also while nobody opens a page."""
    while True:
        await asyncio.sleep(EXPIRY_CHECK_S)
        try:
            await run_in_threadpool(lambda: current_service().release_expired())
        except Exception:
            _log.exception("seats could not be released")


@contextlib.asynccontextmanager
async def _lifespan(_app: st.App) -> AsyncIterator[dict[str, Any]]:
    # Imported here, or the first listeners queue behind the import lock for seconds.
    for name in ("numpy", "pandas", "pyarrow"):
        importlib.import_module(name)
    current_service()
    # What lives as long as the process leaves the garbage collector's sight.
    gc.collect()
    gc.freeze()
    task = asyncio.create_task(_release_seats())
    try:
        yield {}
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def create_app() -> st.App:
    """Return the ASGI app. The study is opened when it starts, not when it is made."""
    return st.App(
        Path(__file__).with_name("listener.py"),
        routes=[
            *audio_route.ROUTES,
            Route("/readyz", _ready),
            Route("/robots.txt", _robots),
        ],
        lifespan=_lifespan,
        middleware=[Middleware(SecurityHeaders)],
        on_script_error=_on_script_error,
    )


def run(*, host: str, port: int, public_url: str | None = None) -> None:
    """Serve until stopped. The environment of `dashboard.settings` names the study.

    Parameters
    ----------
    public_url : what listeners open, if a proxy stands in front; see `public_options`.
    """
    # Streamlit takes the launched script and its arguments from here; the arguments of
    # `evalsuite serve` name the study and are nobody's business.
    sys.argv = [__file__]
    address = {"server.address": host, "server.port": port}
    public = public_options(public_url) if public_url else {}
    create_app().run(config={**STREAMLIT, **address, **public})
