"""Which activation functions shrink the differences between images from layer to layer?

Ten hidden layers at initialization, one batch of images, nine activation functions. The spread of a
layer is the standard deviation of a unit's output over the images (root mean square over the
units). A side branch at each layer subtracts the mean over the images from its output, and
GradientMonitor records these deviations, together with the backpropagated signal, dL/d(output).
"""

from experiments.common import options

SMALL = ["--depth=2", "--width=4", "--images=20", "--num-seeds=2", "--limit=100"]


def add_options(add: options.Add) -> None:
    """Adds the options of this experiment."""
    add("--depth", type=options.at_least_two, default=10, help="number of hidden layers")
    add("--width", type=options.positive, default=128, help="units in each hidden layer")
    add("--images", type=options.positive, default=500, help="images in the batch")
    options.add_initializer(add)
    options.add_num_seeds(add, 5)
    options.add_data(add)
