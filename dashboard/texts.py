"""What the app says, in one table per language.

*Conventions* A text that names what happened also says what to do. Placeholders are filled by
``str.format``; texts reach the page as data and are never parsed as HTML.
"""

from collections.abc import Mapping

__all__ = ["ENGLISH", "TRIAL_KEYS", "plural"]

ENGLISH: Mapping[str, str] = {
    # welcome
    "page_title": "Listening test",
    "asked": "What you will do",
    "asked_body": "There are **{samples}**. You cannot go back to an earlier one.",
    "time": "How long it takes",
    "time_body": (
        "About **{minutes}**. Every answer is stored at once: if you close the page, open the same "
        "link again and you will continue where you stopped."
    ),
    "part": "Taking part",
    "identity_none": "Nothing that says who you are is stored.",
    "identity_external": (
        "The participant number in your link is stored so that your work can be credited."
    ),
    "consent": "I have read this, I am an adult, and I agree to take part.",
    "begin": "Begin",
    # level check
    "level_title": "Set the volume",
    "level_body": (
        "Put on your headphones and play the test sound, a noise about as loud as the speech you "
        "will hear. Set the volume so that it is clear and comfortable, and then leave it as it is."
    ),
    "level_play": "Play test sound",
    "level_stop": "Stop",
    "level_confirm": "I can hear it comfortably",
    "level_loading": "Loading …",
    "level_ready": "Play the sound and set the volume.",
    "level_playing": "Playing. Set the volume now.",
    "level_failed": "The sound could not be played. Check your connection, then try again.",
    "level_done": "One moment …",
    "level_waiting": "The connection is lost. The page continues by itself as soon as it is back.",
    # trial
    "place": "Sample {position} of {count}",
    "play": "Play",
    "stop": "Stop",
    "retry": "Try again",
    "submit": "Submit",
    "keys": "Keys: Space plays or stops, {digits} rates, Enter submits.",
    "loading": "Loading the sample …",
    "ready": "Listen to the whole sample.",
    "partly": "Stopped early. Please listen to the whole sample.",
    "playing": "Playing …",
    "heard": "Now choose your answer.",
    "rated": "Submit, or listen once more.",
    "saving": "Saving …",
    "waiting": "Connection lost. Your answer is kept and is sent again until it has arrived.",
    "failed": "The sample could not be loaded. Check your connection, then try again.",
    "already_rated": (
        "You had already answered that sample in another window. Please keep only one window open."
    ),
    # the end
    "thanks_title": "Thank you!",
    "thanks_body": "You have rated {samples}. All your answers are stored.",
    "code": "Your completion code:",
    "code_do": "Copy it into the page that sent you here, so that your work is credited.",
    "code_button": "Finish and return",
    "close": "You may close this window.",
    "demo": "Synthetic speech demo: the voices in this test are made by a computer program.",
    "simulated": "This seat belongs to a simulated listener: nothing here comes from a person.",
    # closed
    "full_title": "All places are taken",
    "full_body": (
        "This study has as many listeners as it needs at the moment. A place becomes free when "
        "somebody does not finish. Try this link again in an hour, or return your submission if "
        "a panel sent you here. Thank you for your interest!"
    ),
    "lost_title": "Your place was given to somebody else",
    "lost_body": (
        "You were away for so long that your place was passed on. The answers you gave are kept: "
        "thank you! If a panel sent you here, return your submission there. Otherwise you may "
        "open the link of your invitation again and start anew, if a place is free."
    ),
    "link_title": "This link is not valid",
    "link_body": (
        "Part of the address is missing or was changed. Open the complete link of your "
        "invitation once more; if that does not help, write to the person who sent it."
    ),
    "error": (
        "Something went wrong on our side. Your answers so far are stored. Reload the page to "
        "continue; if you see this again, come back later with the same link."
    ),
}

# What the trial component draws; the rest is drawn by Python.
TRIAL_KEYS = (
    *("play", "stop", "retry", "submit"),
    *("loading", "ready", "partly", "playing", "heard", "rated", "saving", "waiting", "failed"),
)


def plural(count: int, one: str, many: str) -> str:
    """Return the count with its noun.

    >>> plural(1, "sample", "samples"), plural(12, "sample", "samples")
    ('1 sample', '12 samples')
    """
    return f"{count} {one if count == 1 else many}"
