"""The version of this program. A module of its own, so that every room can import it: `realtime` itself imports the library on top."""

__version__ = "0.9.0"
"""In `run.py --version`, recordings, benchmarks, profiles, model cards and reports; CHANGELOG.md says what each version brought."""

RELEASE = f"release {__version__} of this program"
"""In messages: where a damaged file of the program can be had again."""
