"""Sources of frames, the first stage of the program: cameras, films, streams, the screen, photos."""
