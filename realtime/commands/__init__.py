"""What a command of run.py is built from, where it is more than a few lines."""
