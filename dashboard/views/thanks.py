"""The end: all is stored; the completion code and the way back."""

import streamlit as st

from dashboard.session import Service
from dashboard.texts import ENGLISH, plural
from tests_mos.store import SeatView

__all__ = ["show"]


def show(service: Service, seat: SeatView) -> None:
    """Draw the thanks page of a finished seat."""
    st.title(ENGLISH["thanks_title"], anchor=False)
    samples = plural(seat.n_trials, "sample", "samples")
    st.markdown(ENGLISH["thanks_body"].format(samples=samples))
    code, url = seat.completion_code, service.study.completion.url
    if code is not None:
        st.header(ENGLISH["code"], anchor=False)
        st.code(code, language=None)
        st.markdown(ENGLISH["code_do"])
    if url is not None:
        st.link_button(ENGLISH["code_button"], url.replace("{code}", code or ""), type="primary")
    else:
        st.markdown(ENGLISH["close"])
    if service.synthetic_speech:
        st.caption(ENGLISH["demo"])
    if seat.simulated:
        st.caption(ENGLISH["simulated"])
