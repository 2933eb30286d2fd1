"""Shared code of the experiments: data, device, options, sweeps and results."""
