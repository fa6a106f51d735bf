"""Vocoders: one per file, their layers and checkpoints."""
