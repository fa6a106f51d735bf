"""Objective metrics, one per file."""
