"""Where frames come from: cameras, films, streams, photos."""
