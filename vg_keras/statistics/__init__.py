"""Sketches, norms and fractions of tensors, computed inside the train step.

All of it compiles under XLA, and knows neither Keras nor files.
"""
