"""Sketches, norms and fractions of tensors, computed inside the train step.

All functions compile under XLA. Nothing here depends on Keras or on files.
"""
