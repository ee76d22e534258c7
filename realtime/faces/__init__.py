"""From a gray frame to aligned chips of tracked faces: shot cuts, detection, landmarks, tracking, alignment."""
