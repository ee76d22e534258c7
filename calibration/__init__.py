"""Personal calibration: a few takes of one person make a profile, which corrects the model's probabilities for that face.

It moves borders between expressions that the model sees in the face; it cannot make the model see what it does not see.
"""
