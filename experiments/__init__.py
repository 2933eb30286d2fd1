"""Experiments: one question each, run as `python -m experiments.NAME`.

What they share (data, device, options, sweeps, results) stands in `experiments.common`, their
figures in `experiments.figures`. `python -m experiments` lists them.
"""
