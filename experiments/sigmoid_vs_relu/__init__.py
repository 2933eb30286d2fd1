"""Why does a deep ReLU network learn where the same network with sigmoid does not?

Trains the same deep network twice, once with sigmoid and once with ReLU: same seed, same initial
weights, same batches. GradientMonitor records the gradient of every layer: in the sigmoid network
it vanishes on its way from the output to the input.
"""

from experiments.common import options

SMALL = ["--depth=3", "--width=8", "--epochs=1", "--batch-size=20", "--limit=100"]


def add_options(add: options.Add) -> None:
    """Adds the options of this experiment."""
    # More epochs on few images only make the ReLU network learn them by heart: on the subset its
    # test loss is lowest after 15 to 20 epochs (five seeds).
    options.add_training(add, most_epochs=20)
    options.add_num_seeds(add, 1)
