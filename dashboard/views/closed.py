"""Pages that end the visit: each says what happened and what to do."""

from typing import Literal

import streamlit as st

from dashboard.texts import ENGLISH

__all__ = ["show"]


def show(reason: Literal["full", "lost", "link"]) -> None:
    """Draw the page for `reason`."""
    st.title(ENGLISH[f"{reason}_title"], anchor=False)
    st.markdown(ENGLISH[f"{reason}_body"])
