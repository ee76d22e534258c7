"""Recordings: video, sound, readings, exports, many films at once."""
