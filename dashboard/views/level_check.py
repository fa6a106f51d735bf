"""Set the volume once, before the first sample; the click also unlocks sound in the browser."""

import streamlit as st

from dashboard.audio_route import LEVEL_PATH
from dashboard.components.mounting import Component
from dashboard.texts import ENGLISH

__all__ = ["show"]

_component = Component("level", trigger="confirm")
_TEXTS = ("play", "stop", "confirm", "loading", "ready", "playing", "failed", "done", "waiting")


def show() -> None:
    """Draw the level check; when it is confirmed, go on to the trials."""
    st.title(ENGLISH["level_title"], anchor=False)
    st.markdown(ENGLISH["level_body"])
    texts = {name: ENGLISH[f"level_{name}"] for name in _TEXTS}
    if _component.mount({"url": LEVEL_PATH, "texts": texts}) is not None:
        st.query_params["level"] = "done"
        st.rerun()
