"""Where the faces are: cuts, detection, landmarks, tracking, alignment."""
