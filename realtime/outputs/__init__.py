"""Readings for other programs: each output is a link to one of them, and a thread that feeds it."""
