"""Does the well-known figure of Stanford's course CS224d really show the vanishing gradient?

Repeats the course's notebook "vanishing_grad_example": the same data, the same initial weights, two
hidden layers, once with sigmoid and once with ReLU. GradientMonitor records what the notebook
plots: the summed magnitudes of the gradients of the first two kernels.

By this measure the second layer's gradient is about twice the first layer's in both networks.
Sigmoid differs only at the very start: at iteration 0 the ratio is 52.7, and ten iterations later
it is below 3. Two hidden layers are too few; `python -m experiments depth` trains deeper networks.
"""

from experiments.common import options

SMALL = ["--iterations=101"]


def add_options(add: options.Add) -> None:
    """Adds the options of this experiment."""
    add("--iterations", type=options.positive, default=50_000, help="steps of training")
