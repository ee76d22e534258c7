"""What a face shows: classification, the personal profile, quality, smoothing over time."""
