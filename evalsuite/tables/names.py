"""Which of our systems stands beside which row of the paper.

Two names are the same row if they have the same letters and digits (``griffin_lim`` and
``Griffin-Lim``), or if `DISPLAY_NAMES` says so. Nothing is matched by guessing: words that anybody
may use for a system, such as ``baseline``, stand for a row of the paper only where its table 2 is
asked for or the study says that it follows it (`paper_names`).
"""

import re
from collections.abc import Mapping

__all__ = [
    "ABLATION_NAMES",
    "DISPLAY_NAMES",
    "REFERENCE_NAMES",
    "STANDARD_NAMES",
    "display_name",
    "match_key",
    "paper_names",
]

DISPLAY_NAMES = {
    "original": "Original",
    "anchor": "Anchor (low-passed)",
    "griffin_lim": "Griffin-Lim",
    "world": "WORLD",
    "melgan": "MelGAN",
    "waveglow": "WaveGlow",
    "wavenet": "WaveNet",
    "clarinet": "ClariNet",
}

# Folders of the authors' ablation samples; their page names the folders, not the rows.
ABLATION_NAMES = {
    "baseline": "Baseline (MelGAN)",
    "spectral_norm": "w/ Spectral Normalization",
    "l1_observed_space": "w/ L1 loss (audio space)",
    "no_patch_gan": "w/o Window-based Discriminator",
    "no_dilations": "w/o Dilated Convolutions",
    "no_multiscale_disc": "w/o Multi-scale Discriminator",
    "no_weight_norm": "w/o Weight Normalization",
}

REFERENCE_NAMES = frozenset({"original", "reference"})
"""Systems that are the recording itself: never emphasised as the best system."""

STANDARD_NAMES = REFERENCE_NAMES | {"anchor"}
"""Systems that take part as a standard of comparison: they do not compete either."""


def paper_names(number: int | None) -> dict[str, str]:
    """Return the names that stand for rows of one table of the paper, and for nothing elsewhere.

    >>> paper_names(2)["baseline"], paper_names(3)
    ('Baseline (MelGAN)', {})
    """
    return dict(ABLATION_NAMES) if number == 2 else {}


def display_name(system: str, names: Mapping[str, str] | None = None) -> str:
    """Return the name shown for a system: from `names`, else `DISPLAY_NAMES`, else its own.

    >>> display_name("griffin_lim"), display_name("gl32"), display_name("gl32", {"gl32": "GL"})
    ('Griffin-Lim', 'gl32', 'GL')
    """
    return {**DISPLAY_NAMES, **(names or {})}.get(system, system)


def match_key(name: str) -> str:
    """Return what two equal rows have in common: lower-case letters and digits.

    A year or citation in brackets is no part of a name, a variant is: only digits-and-words in
    brackets that hold a year are dropped.

    >>> match_key("Griffin-Lim") == match_key("griffin_lim")
    True
    >>> match_key("WaveNet (Shen et al. 2018)") == match_key("wavenet")
    True
    >>> match_key("w/ L1 loss (audio space)")
    'wl1lossaudiospace'
    """
    without_citation = re.sub(r"\([^)]*\b(?:19|20)\d\d\b[^)]*\)", "", name)
    return re.sub(r"[^a-z0-9]", "", without_citation.casefold())
