"""What the experiments share: data, device, options, sweeps, and how results are told."""
