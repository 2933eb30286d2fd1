"""What several experiments share: options, data, networks, sweeps, checks and results."""
