"""The readings file: its format, reading it back, checking it, reporting on it."""
