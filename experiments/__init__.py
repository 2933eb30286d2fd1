"""Experiments: one question each, run as `python -m experiments.NAME`.

What they share (data, device, options, progress) stands in `experiments.common`.
"""
