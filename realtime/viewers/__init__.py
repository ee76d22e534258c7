"""Who looks on: the window, the terminal, the page in a browser."""
