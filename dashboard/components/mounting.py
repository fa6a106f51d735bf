"""How a component of ours reaches the page."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import streamlit as st

__all__ = ["Component"]

_HERE = Path(__file__).parent


def _nothing() -> None:
    """Streamlit keeps a trigger only if somebody listens to it."""


class _Result(Protocol):
    def get(self, name: str) -> Any: ...


class Component:
    """A component with one trigger.

    Parameters
    ----------
    name : of the component and of the element it fills; ``<name>.js`` and ``<name>.css`` are
        its code and its style.
    trigger : the event it sends.
    """

    def __init__(self, name: str, *, trigger: str) -> None:
        self.name, self.trigger = name, trigger
        self._css = (_HERE / f"{name}.css").read_text(encoding="utf-8")
        self._js = (_HERE / f"{name}.js").read_text(encoding="utf-8")

    def mount(self, payload: Mapping[str, Any]) -> Any:
        """Draw it and return what its trigger carries in this run, or None.

        The trigger value comes from the browser: treat it as hostile.
        """
        # Registered at each run because the registry belongs to the running server; the element
        # keeps its identity through the fixed key.
        draw: Callable[..., _Result] = st.components.v2.component(
            f"evalsuite_{self.name}",
            html=f'<div id="{self.name}"></div>',
            css=self._css,
            js=self._js,
        )
        # In a list: Streamlit tests each value of a dict for being a data frame, and that imports
        # pandas and pyarrow and costs time in every run.
        callbacks = {f"on_{self.trigger}_change": _nothing}
        result = draw(key=self.name, data=[dict(payload)], **callbacks)
        return result.get(self.trigger)

    def sent(self) -> Any:
        """Return what the trigger carries, before anything is drawn; None in a new session."""
        state = st.session_state.get(self.name)
        return state.get(self.trigger) if state is not None else None
