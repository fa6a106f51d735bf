"""The page that Streamlit runs for each listener: decides which view is due.

The address says who is asking: the invitation's parameters before a seat is taken,
``?seat=CODE`` from then on. ``level=done`` in it keeps a reload from checking the volume again.
"""

from pathlib import Path

import streamlit as st

from dashboard.session import BadLink, Service, current_service, read_invitation
from dashboard.texts import ENGLISH
from dashboard.views import closed, level_check, thanks, trial, welcome
from evalsuite.errors import SeatLost, StudyFull

__all__ = ["show"]

_STYLE = Path(__file__).with_name("style.css")


def _show_seat(service: Service, code: str) -> None:
    seat = service.store.seat_by_code(code)
    if seat is None:
        closed.show("link")
    elif seat.completion_code is not None:
        thanks.show(service, seat)
    elif seat.n_rated == 0 and st.query_params.get("level") != "done":
        level_check.show()
    else:
        trial.show(service, seat)


def show() -> None:
    """Draw the page for one run."""
    st.set_page_config(page_title=ENGLISH["page_title"], layout="centered")
    st.html(_STYLE)
    service = current_service()
    try:
        if code := st.query_params.get("seat"):
            _show_seat(service, code)
        else:
            welcome.show(service, read_invitation(st.query_params))
    except BadLink:
        closed.show("link")
    except StudyFull:
        closed.show("full")
    except SeatLost:
        closed.show("lost")


if __name__ == "__main__":
    show()
