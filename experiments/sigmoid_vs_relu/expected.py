"""What the networks with sigmoid and with ReLU are expected to show."""

import math
from collections.abc import Callable

import numpy as np

from experiments.common import mlp
from experiments.common.mnist import Mnist
from experiments.common.outcome import Check, Checks

Networks = dict[str, list[mlp.Trained]]
"""The trained networks of each activation, one per seed."""

ONE_CLASS = "claim 5: a network that predicts one class for every image"
LARGEST_LOSS_OF_SUBSET = 2.34
"""On few images the biases of the output follow the last batches: with five seeds the test loss on
the 5,000 digits was 2.307 to 2.320, while guessing all classes evenly gives 2.303."""


def median(networks: list[mlp.Trained], number: Callable[[mlp.Trained], float]) -> float:
    """Returns the median of a number over networks that differ in the seed."""
    return float(np.median([number(network) for network in networks]))


def decades_lost_at_end(network: mlp.Trained) -> float:
    """Returns the median of the decades lost over the last tenth of the records.

    Of a single batch, they vary by half a decade.
    """
    last = network.records[-max(1, len(network.records) // 10) :]
    return float(np.median([network.decades_lost(record) for record in last]))


def checks(networks: Networks, settings: mlp.Settings, data: Mnist) -> Checks:
    """Compares gradients, accuracy and loss with the claims."""
    sigmoid, relu = networks["sigmoid"], networks["relu"]
    if settings.depth > 1:
        what = "decades of gradient lost from the last hidden layer to the first"
        source = "claim 1; mean-field theory, by vg_keras.theory.predict"
        lost = -(settings.depth - 1) * math.log10(mlp.predicted_factor("sigmoid", settings))
        ours = median(sigmoid, lambda n: n.decades_lost(n.records[0]))
        yield Check.near(f"sigmoid, first step: {what}", source, lost, ours, form=".2f")
    lost = median(relu, decades_lost_at_end)
    yield Check("ReLU, last steps: decades of gradient lost", "claim 6", "none", lost, -1, 1, ".2f")
    accuracy, of_relu = (100 * median(n, lambda n: n.test_accuracy) for n in (sigmoid, relu))
    loss, one_answer = median(sigmoid, lambda n: n.test_loss), data.share_of_one_answer
    even, largest = ("2.301", 2.31) if data.is_full else ("2.303", LARGEST_LOSS_OF_SUBSET)
    what = "sigmoid: test accuracy, %"
    yield Check.near(what, ONE_CLASS, one_answer, accuracy, 0.005 / one_answer, ".2f")
    yield Check("sigmoid: test loss, nats", ONE_CLASS, even, loss, 2.29, largest, ".3f")
    yield Check("ReLU: test accuracy, %", "claim 6", "it learns", of_relu, 90, form=".2f")
