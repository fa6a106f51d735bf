"""Listeners without a browser: they speak Streamlit's websocket protocol.

One listener needs a few kilobytes instead of a browser's hundred megabytes, so many of them can
load the server, or watch what it loses when it is killed.
"""

import asyncio
import json
import random
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

REPLY_LIMIT_S = 20.0


def trigger(component_id: str, event: str, value: object) -> tuple[str, str]:
    """Widget id and value by which a version-2 component reports an event."""
    name = f"$$STREAMLIT_INTERNAL_KEY_{component_id}__events"
    return name, json.dumps([{"event": event, "value": value}])


class Session:
    """One websocket: sends reruns and follows what the page shows."""

    def __init__(self, socket: Any, query: str) -> None:
        self.socket, self.query = socket, query
        self.cache: dict[str, ForwardMsg] = {}
        self.component_id = ""
        self.payload: dict[str, Any] | None = None
        self.texts: list[str] = []

    async def rerun(self, *states: tuple[str, str]) -> None:
        """Ask for a run and read until it has finished."""
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.cached_message_hashes.extend(self.cache)
        for name, value in states:
            message.rerun_script.widget_states.widgets.add(id=name, json_trigger_value=value)
        await self.socket.send(message.SerializeToString())
        self.payload, self.texts = None, []
        async with asyncio.timeout(REPLY_LIMIT_S):
            while not self._finished(await self._next()):
                pass

    async def _next(self) -> ForwardMsg:
        message = ForwardMsg()
        message.ParseFromString(await self.socket.recv())
        if message.WhichOneof("type") == "ref_hash":
            return self.cache[message.ref_hash]
        if message.metadata.cacheable:
            self.cache[message.hash] = message
        return message

    def _finished(self, message: ForwardMsg) -> bool:
        kind = message.WhichOneof("type")
        if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._element(message.delta.new_element)
        early = ForwardMsg.FINISHED_EARLY_FOR_RERUN
        return kind == "script_finished" and message.script_finished != early

    def _element(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "bidi_component":
            self.component_id = element.bidi_component.id
            [self.payload] = json.loads(element.bidi_component.json)
        elif kind in ("heading", "markdown", "alert"):
            self.texts.append(getattr(element, kind).body)

    async def submit(self, answer: dict[str, Any]) -> None:
        await self.rerun(trigger(self.component_id, "submit", answer))


def connect(url: str) -> Any:
    """Open Streamlit's websocket as its browser client does."""
    return websockets.connect(
        f"ws://{urlsplit(url).netloc}/_stcore/stream",
        subprotocols=["streamlit", "unused"],
        max_size=None,
        compression=None,
        ping_interval=None,
    )


def new_answer(payload: dict[str, Any], score: int) -> dict[str, Any]:
    """What the page sends for one trial."""
    telemetry = {"plays": 1, "heard_fraction": 1.0, "shown_at_ms": 0, "submitted_at_ms": 4000}
    return {
        "trial": payload["trial"],
        "key": secrets.token_hex(16),
        "scores": [score],
        "telemetry": telemetry,
    }


@dataclass
class Listener:
    """Rates until stopped and, like the page, keeps an answer until the trial has moved on.

    Parameters
    ----------
    acknowledged : trial -> score, for each trial after which the page showed another one.
    """

    url: str
    resume_code: str
    think_s: float
    seed: int
    acknowledged: dict[int, int] = field(default_factory=dict)
    finished: bool = False
    reconnections: int = -1

    async def rate_until(self, stop: asyncio.Event) -> None:
        self._outbox: dict[str, Any] | None = None
        self._random = random.Random(self.seed)
        while not stop.is_set() and not self.finished:
            try:
                async with connect(self.url) as socket:
                    self.reconnections += 1
                    query = f"seat={self.resume_code}&level=done"
                    await self._rate(Session(socket, query), stop)
            except (OSError, websockets.WebSocketException, TimeoutError):
                await asyncio.sleep(0.1)  # the server is down: try again, as the page does

    async def _rate(self, session: Session, stop: asyncio.Event) -> None:
        await session.rerun()
        self._note(session)
        while not stop.is_set() and not self.finished:
            if self._outbox is None:
                await asyncio.sleep(self._random.uniform(0, 2 * self.think_s))
                assert session.payload is not None
                self._outbox = new_answer(session.payload, self._random.randint(1, 5))
            await session.submit(self._outbox)
            self._note(session)

    def _note(self, session: Session) -> None:
        """An answer is acknowledged when the page shows something else than its trial."""
        if session.payload is None:
            assert any("completion code" in text for text in session.texts), session.texts
            self.finished = True
        if self._outbox and (self.finished or session.payload["trial"] != self._outbox["trial"]):
            self.acknowledged[self._outbox["trial"]] = self._outbox["scores"][0]
            self._outbox = None
