"""What the listener is asked for, and the consent; the seat is taken on Begin, not before."""

import streamlit as st

from dashboard.session import Invitation, Service, expected_minutes
from dashboard.texts import ENGLISH, plural

__all__ = ["show"]

_BEGIN = "begin"


def _begin(service: Service, invitation: Invitation) -> None:
    """Take the seat and put its key into the address; the participant number leaves it."""
    seat = service.enter(invitation)
    service.store.log(seat.seat_id, "consent", {"text": service.study.consent})
    st.query_params.from_dict({"seat": seat.resume_code})
    st.rerun()


def show(service: Service, invitation: Invitation) -> None:
    """Draw the welcome page.

    Raises
    ------
    StudyFull if Begin was pressed and no seat is free.
    """
    # Before anything is drawn: a full study shows its own page, not the end of this one.
    if st.session_state.get(_BEGIN):
        _begin(service, invitation)
    study = service.study
    n_trials = study.plan().trials_per_listener
    samples = plural(n_trials, "sample", "samples")
    minutes = plural(expected_minutes(n_trials), "minute", "minutes")
    st.title(study.title, anchor=False)
    st.header(ENGLISH["asked"], anchor=False)
    st.markdown(study.instructions)
    st.markdown(ENGLISH["asked_body"].format(samples=samples))
    st.header(ENGLISH["time"], anchor=False)
    st.markdown(ENGLISH["time_body"].format(minutes=minutes))
    st.header(ENGLISH["part"], anchor=False)
    st.markdown(study.consent)
    st.markdown(ENGLISH["identity_none" if invitation.listener is None else "identity_external"])
    agreed = st.checkbox(ENGLISH["consent"])
    st.button(ENGLISH["begin"], key=_BEGIN, type="primary", disabled=not agreed)
    if service.synthetic_speech:
        st.caption(ENGLISH["demo"])
