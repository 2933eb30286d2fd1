"""Can the initial weights alone make a network untrainable?

Trains the same deep network from weights of different variances, zeros, constants and orthogonal
matrices. GradientMonitor records the factor by which the backpropagated signal changes per layer.
Mean-field theory predicts at which variance the signal neither vanishes nor explodes.
"""

from experiments.common import options

SMALL = ["--variances=2", "--depth=2", "--width=32", "--epochs=1", "--batch-size=100"]
SMALL += ["--limit=100", "--jit-compile=false"]
VARIANCES = [0.01, 0.1, 0.5, 1.0, 2.0, 4.0, 16.0, 100.0, 400.0]
FADING = 100
"""Change over all hidden layers from which a signal counts as vanishing or exploding."""


def add_options(add: options.Add) -> None:
    """Adds the options of this experiment."""
    what = "variances of a weight times the number of inputs"
    add("--variances", type=options.positive_float, nargs="+", default=VARIANCES, help=what)
    options.add_training(add, initializer=False, epochs=1)
