"""Personal calibration: a few takes of one person make a profile, which corrects the model's probabilities for that face.

A profile helps where the model confuses expressions that it can tell apart. It cannot help where they look the same to the model.
"""
