"""Listening tests for people: studies, designs, the rating store."""
