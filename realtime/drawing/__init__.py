"""What is drawn on a picture, and where."""
