"""The figures of the experiments, one module each, which turn numbers into a Figure."""
