"""How does the gradient of the first layer depend on the depth of the network?

Trains networks of 1 to 50 hidden layers with sigmoid, tanh and ReLU. GradientMonitor records the
gradient of the first layer at the first step. Mean-field theory predicts, from the activation, the
initializer and the size of the inputs, how it changes with each additional layer.

A gradient that arrives is necessary and not sufficient: tanh with 50 layers keeps it, and does not
learn within this budget.
"""

from experiments.common import options

SMALL = ["--depths", "1", "3", "4", "--width=8", "--epochs=1", "--batch-size=20", "--limit=100"]


def add_options(add: options.Add) -> None:
    """Adds the options of this experiment."""
    what, default = "numbers of hidden layers", [1, 2, 3, 5, 8, 12, 20, 30, 50]
    add("--depths", type=options.positive, nargs="+", default=default, help=what)
    options.add_training(add, depth=None, epochs=1)
