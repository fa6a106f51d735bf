"""A listener with a browser: drives the app as a person with a keyboard would."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--mute-audio",
]
WAIT_MS = 60_000


def trial_box(page: "Page", state: str = "") -> "Locator":
    """The trial, in a given state."""
    return page.locator(f"#trial[data-state={state}]" if state else "#trial")


def await_trial(page: "Page", position: int, state: str = "ready") -> None:
    """Wait for the trial at a 1-based position."""
    page.get_by_role("heading", name=f"Sample {position} of").wait_for(timeout=WAIT_MS)
    trial_box(page, state).wait_for(timeout=WAIT_MS)


def begin(page: "Page", url: str) -> None:
    """Open the invitation, agree, and set the volume: by keyboard alone, up to the first trial."""
    page.goto(url)
    page.get_by_role("checkbox").focus(timeout=WAIT_MS)
    page.keyboard.press("Space")
    page.locator("button:enabled", has_text="Begin").focus(timeout=WAIT_MS)
    page.keyboard.press("Enter")
    check_level(page)
    await_trial(page, 1)


def check_level(page: "Page") -> None:
    """Play the test sound and say that it is comfortable."""
    page.locator("#level[data-state=ready]").wait_for(timeout=WAIT_MS)
    page.keyboard.press("Enter")  # the play button has the focus
    confirm = page.locator("#level button:enabled", has_text="comfortably")
    confirm.focus(timeout=WAIT_MS)
    page.keyboard.press("Enter")


def listen(page: "Page") -> None:
    """Play the sample to its end."""
    page.keyboard.press("Space")
    trial_box(page, "heard").wait_for(timeout=WAIT_MS)


def rate(page: "Page", score: int) -> None:
    """Listen, choose, submit; returns when the server has moved on."""
    trial = trial_box(page).get_attribute("data-trial")
    listen(page)
    page.keyboard.press(str(score))
    trial_box(page, "rated").wait_for(timeout=WAIT_MS)
    page.keyboard.press("Enter")
    moved_on(page, trial)


def moved_on(page: "Page", trial: str | None) -> None:
    """Wait until another trial, or the end, is shown."""
    next_trial = page.locator(f"#trial[data-state=ready]:not([data-trial='{trial}'])")
    next_trial.or_(page.get_by_role("heading", name="Thank you")).first.wait_for(timeout=WAIT_MS)


def rate_all(page: "Page", score: Callable[[int, str], int]) -> list[int]:
    """Rate every trial that is left.

    Parameters
    ----------
    score : (1-based position, audio URL path of the trial) -> category; a test that knows the
        database can look the sample up by the token in the URL.
    """
    given = []
    # Not until the trial is gone: for a moment the last one still stands beside the thanks.
    while not page.get_by_role("heading", name="Thank you").count():
        box = trial_box(page)
        position = int(page.locator("h2.position").inner_text().split()[1])
        given.append(score(position, box.get_attribute("data-url") or ""))
        rate(page, given[-1])
    return given


class Wire:
    """Every byte the server sends to one page: frames, addresses, headers, bodies."""

    def __init__(self, page: "Page") -> None:
        self.frames: list[bytes] = []
        self.addresses: list[str] = []
        self._responses: list[Any] = []
        page.on("websocket", self._follow)
        page.on("response", lambda response: self._responses.append(response))

    def _follow(self, socket: Any) -> None:
        def keep(frame: bytes | str) -> None:
            self.frames.append(frame if isinstance(frame, bytes) else frame.encode())

        socket.on("framereceived", keep)

    def collected(self) -> list[bytes]:
        everything = list(self.frames)
        for response in self._responses:
            self.addresses.append(response.url)
            everything += [response.url.encode(), str(response.all_headers()).encode()]
            if response.status == 200:
                everything.append(response.body())
        return everything
