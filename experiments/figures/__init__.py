"""The figures of the experiments, one module for each: from numbers to a Figure."""
