"""Bounds of numbers in bodies."""

# Engines and the frames to them have integers of 64 bits.
MAX_INT = 2**63 - 1
