"""How much does the output of a network change when the weights of one layer are perturbed?

Two networks process the same images. They are identical except for one layer, whose weights are
perturbed in the second network by a tenth of their norm in a random direction. GradientMonitor
records the difference between their outputs. In a sigmoid network, early layers hardly matter.

The outputs are the logits: softmax would squash them once more, and hides a shift of all logits.
"""

from experiments.common import options

SMALL = ["--depth=2", "--width=8", "--epochs=1", "--batch-size=20", "--limit=40", "--num-seeds=2"]


def add_options(add: options.Add) -> None:
    """Adds the options of this experiment."""
    options.add_training(add)
    what = "norm of the perturbation, relative to that of the layer's weights"
    add("--perturbation", type=options.positive_float, default=0.1, help=what)
    options.add_num_seeds(add, 10)
