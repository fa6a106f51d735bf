"""Evaluate neural vocoders: matched samples, blind listening tests, tables one can trust.

This package is the core: it imports neither torch nor streamlit, and importing it alone
imports nothing but itself, so that ``evalsuite --help`` answers at once.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
