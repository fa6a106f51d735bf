"""What the app is told by its environment, and the Streamlit settings it ships with.

*Conventions* ``EVALSUITE_STUDY`` is the study file, ``EVALSUITE_DATABASE`` the database URL
(default: the SQLite file beside the study). ``evalsuite serve`` sets both.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from evalsuite.errors import ConfigError

__all__ = ["DATABASE", "STREAMLIT", "STUDY", "Settings", "public_options", "read_settings"]

STUDY = "EVALSUITE_STUDY"
DATABASE = "EVALSUITE_DATABASE"

STREAMLIT: Mapping[str, object] = {
    "server.headless": True,
    "logger.hideWelcomeMessage": True,
    "server.showEmailPrompt": False,
    "server.fileWatcherType": "none",
    "server.enableStaticServing": False,
    "server.disconnectedSessionTTL": 120,
    # No upload is wanted; the endpoint exists all the same. Megabytes.
    "server.maxUploadSize": 1,
    # A full collection after every rerun, under the interpreter lock, costs a hundred times what
    # the rerun costs: with 50 listeners 2 s per rating instead of 12 ms.
    "runner.postScriptGC": False,
    "runner.magicEnabled": False,
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    # One light theme for all: equal conditions, and colours whose contrast has been checked.
    "theme.base": "light",
    "theme.primaryColor": "#1d5b9b",
    "theme.backgroundColor": "#ffffff",
    "theme.secondaryBackgroundColor": "#f1f4f6",
    "theme.textColor": "#1b2733",
    "theme.font": "sans-serif",
    "theme.headingFontSizes": ["1.9rem", "1.15rem", "1.1rem", "1rem", "1rem", "1rem"],
}


@dataclass(frozen=True)
class Settings:
    """Which study is served.

    Parameters
    ----------
    study : the study file.
    database : URL of its database; None for the SQLite file beside the study.
    """

    study: Path
    database: str | None


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return what the environment says.

    Raises
    ------
    ConfigError if no study is named.

    >>> read_settings({"EVALSUITE_STUDY": "a.yaml"}).database is None
    True
    """
    study = environment.get(STUDY, "")
    if not study:
        raise ConfigError(
            f"{STUDY} is not set",
            wanted="the path of a study file",
            do="start the app with: evalsuite serve STUDY.yaml",
        )
    return Settings(Path(study), environment.get(DATABASE) or None)


def public_options(url: str) -> dict[str, object]:
    """Streamlit's settings for an app that listeners open at another address than it listens on.

    ``server.allowedHosts`` names whom the page may be served for, so that a foreign name that is
    made to point here (DNS rebinding) opens no session. ``browser.serverAddress`` lets the origin
    of the public page in also where a proxy puts its own ``Host``, and without Streamlit asking an
    outside service for the address of this machine.

    Parameters
    ----------
    url : what listeners open, such as ``https://listen.example.org``.

    Raises
    ------
    ConfigError if it is no such address, or has a path: the app answers at ``/audio`` and
    ``/readyz``, so it needs a host name of its own.

    >>> public_options("https://listen.example.org/")["server.allowedHosts"]
    ['listen.example.org', 'localhost', '127.0.0.1']
    """
    try:
        parts = urlsplit(url)
        hostname, _ = parts.hostname, parts.port
    except ValueError:
        parts, hostname = urlsplit(""), None
    extra = (parts.path.strip("/"), parts.query, parts.fragment, parts.username)
    if parts.scheme not in ("http", "https") or not hostname or any(extra):
        raise ConfigError(
            f"the public address is {url!r}",
            wanted="a scheme and a host name without a path, such as https://listen.example.org",
            do="give the app a host name of its own and let the proxy pass it on whole",
        )
    return {
        # The other two are for the proxy's own Host, and for looking at it from this machine.
        "server.allowedHosts": [hostname, "localhost", "127.0.0.1"],
        "browser.serverAddress": hostname,
    }
