"""Folders and manifests of recordings as checked utterances.

`load_corpus` finds out what a path holds, reads every recording once, and returns the usable
utterances beside a list of problems; `require_clean` decides whether work may begin.
"""

from evalsuite.corpus.layout import detect_kind
from evalsuite.corpus.load import MIN_DURATION_S, load_corpus, require_clean
from evalsuite.corpus.model import Corpus, CorpusKind, Fault, Problem

__all__ = [
    "MIN_DURATION_S",
    "Corpus",
    "CorpusKind",
    "Fault",
    "Problem",
    "detect_kind",
    "load_corpus",
    "require_clean",
]
