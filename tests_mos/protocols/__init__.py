"""Scales and trial types of listening tests."""
