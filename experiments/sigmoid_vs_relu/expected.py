"""What the networks with sigmoid and with ReLU are expected to show."""

import math
from collections.abc import Callable

import numpy as np

from experiments.common import mlp
from experiments.common.mlp import Settings, Trained
from experiments.common.mnist import Mnist
from experiments.common.outcome import Check

Networks = dict[str, list[Trained]]
"""The trained networks of each activation, one per seed."""

LARGEST_LOSS_OF_SUBSET = 2.34
"""On few images the biases of the output follow the last batches: with five seeds the test loss on
the 5,000 digits was 2.307 to 2.320, while guessing all classes evenly gives 2.303."""


def median(networks: list[Trained], number: Callable[[Trained], float]) -> float:
    """Returns the median of a number over networks that differ in the seed."""
    return float(np.median([number(network) for network in networks]))


def decades_lost_at_end(network: Trained) -> float:
    """Returns the median of the decades lost over the last tenth of the records.

    Of a single batch, they vary by half a decade.
    """
    last = network.records[-max(1, len(network.records) // 10) :]
    return float(np.median([network.decades_lost(record) for record in last]))


def checks(networks: Networks, settings: Settings, data: Mnist) -> list[Check]:
    """Compares gradients, accuracy and loss with the claims."""
    sigmoid, relu = networks["sigmoid"], networks["relu"]
    factor = mlp.predicted_factor("sigmoid", settings)
    one_answer = data.share_of_one_answer
    one_class = "claim 5: a network that predicts one class for every image"
    largest_loss = 2.31 if data.is_full else LARGEST_LOSS_OF_SUBSET
    of_gradient = Check.near(
        "sigmoid, first step: decades of gradient lost from the last hidden layer to the first",
        "claim 1; mean-field theory, by vg_keras.theory.predict",
        -(settings.depth - 1) * math.log10(factor),
        median(sigmoid, lambda n: n.decades_lost(n.records[0])),
        form=".2f",
    )
    return [
        *([of_gradient] if settings.depth > 1 else []),
        Check(
            "ReLU, last steps: decades of gradient lost",
            "claim 6",
            "none",
            median(relu, decades_lost_at_end),
            -1,
            1,
            ".2f",
        ),
        Check(
            "sigmoid: test accuracy, %",
            one_class,
            f"{one_answer:.2f}",
            100 * median(sigmoid, lambda n: n.test_accuracy),
            one_answer - 0.005,
            one_answer + 0.005,
            ".2f",
        ),
        Check(
            "sigmoid: test loss, nats",
            one_class,
            "2.301" if data.is_full else "2.303",
            median(sigmoid, lambda n: n.test_loss),
            2.29,
            largest_loss,
            ".3f",
        ),
        Check(
            "ReLU: test accuracy, %",
            "claim 6",
            "it learns",
            100 * median(relu, lambda n: n.test_accuracy),
            90,
            form=".2f",
        ),
    ]
