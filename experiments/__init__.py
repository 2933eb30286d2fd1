"""Experiments: one question each, run as `python -m experiments.NAME`.

Shared code (data, device, options, sweeps, results) is in `experiments.common`, figures are in
`experiments.figures`. `python -m experiments` lists all experiments.
"""
