"""Samples by opaque token, and the test sound.

A response says nothing that could tell one sample from another or mark two as the same: no file
name, no ETag and no Last-Modified (both are equal for equal files).
"""

from functools import cache
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard.level_signal import level_signal_wav
from dashboard.session import current_service

__all__ = ["AUDIO_PATH", "LEVEL_PATH", "ROUTES"]

AUDIO_PATH = "/audio"
LEVEL_PATH = "/level-check.wav"
_HEADERS = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
_TELLING = ("etag", "last-modified")


def _find(token: str) -> Path | None:
    return current_service().store.audio_path(token)


async def _sample(request: Request) -> Response:
    path = await run_in_threadpool(_find, request.path_params["token"])
    if path is None:
        return PlainTextResponse("not found", status_code=404)
    facts = await run_in_threadpool(path.stat)
    # With stat_result the headers are written now and can be taken out again; without it
    # Starlette adds them only while sending.
    response = FileResponse(path, stat_result=facts, media_type="audio/wav", headers=_HEADERS)
    for name in _TELLING:
        del response.headers[name]
    return response


@cache
def _level_bytes() -> bytes:
    return level_signal_wav()


async def _level(_request: Request) -> Response:
    sound = await run_in_threadpool(_level_bytes)
    return Response(sound, media_type="audio/wav", headers=_HEADERS)


ROUTES = (Route(f"{AUDIO_PATH}/{{token}}", _sample), Route(LEVEL_PATH, _level))
