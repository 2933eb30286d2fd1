"""The settings of a small network and its training run: what a sickness and advice change.

Plain values, so that a run is cached by them and a reader can compare two runs field by field.
"""

from dataclasses import dataclass
from typing import Literal

Initializer = str | float
"""The name of a Keras initializer, or the standard deviation of normally distributed weights."""


@dataclass(frozen=True)
class Settings:
    """Settings of a training run. The defaults are healthy.

    Args:
        task: What is learned; see `tasks.py`.
        depth: Number of hidden layers, or 1 for a recurrent one.
        width: Units in each hidden layer.
        activation: Activation of the hidden layers.
        initializer: Initializer of the kernels of the hidden layers.
        recurrent_initializer: Initializer of the recurrent weights, for a task of sequences.
        bias: Initial bias of the hidden layers.
        normalization: Whether BatchNormalization precedes the activation of each hidden layer.
        residual: Whether each hidden layer but the first is bypassed.
        block: A function after the first hidden layer that passes no gradient, if any.
        root_offset: What is added to the first hidden layer's output before a square root is taken.
            None takes none.
        optimizer: "adam", or "sgd" with a momentum of 0.9.
        rate: The learning rate.
        warm_up: Number of steps over which the learning rate rises from zero.
        spike: Factor of the learning rate in step 20.
        clipnorm: As in a Keras optimizer.
        weight_decay: As in a Keras optimizer.
        l2: Factor of the L2 regularizer of the hidden layers' kernels.
        loss_scale: Factor of the loss.
        epsilon: What a cross-entropy of our own adds to a probability before it takes the
            logarithm. None takes Keras's loss.
        inputs: How the inputs are scaled: "standard", or "grayscale" for 0 to 255.
        target_shift: What is added to the standardized targets of a regression.
        target_scale: Factor of the standardized targets of a regression.
        spoiled: Which of the arrays, if any, contains a value that is not finite.
        spoiled_by: That value: "nan" or "inf".
        seed: Seed of weights, examples and their order.
    """

    task: Literal["quadrants", "curve", "slope", "sums"] = "quadrants"
    depth: int = 2
    width: int = 24
    activation: str = "relu"
    initializer: Initializer = "he_normal"
    recurrent_initializer: Initializer = "orthogonal"
    bias: float = 0.0
    normalization: bool = False
    residual: bool = False
    block: Literal["", "stop_gradient", "round"] = ""
    root_offset: float | None = None
    optimizer: Literal["adam", "sgd"] = "adam"
    rate: float = 0.01
    warm_up: int = 0
    spike: float = 1.0
    clipnorm: float | None = None
    weight_decay: float = 0.0
    l2: float = 0.0
    loss_scale: float = 1.0
    epsilon: float | None = None
    inputs: Literal["standard", "grayscale"] = "standard"
    target_shift: float = 0.0
    target_scale: float = 1.0
    spoiled: Literal["", "inputs", "targets"] = ""
    spoiled_by: Literal["nan", "inf"] = "nan"
    seed: int = 0

    @property
    def is_recurrent(self) -> bool:
        """Whether the hidden layer is a SimpleRNN."""
        return self.task == "sums"

    @property
    def is_classification(self) -> bool:
        """Whether one of two classes is predicted, not a number."""
        return self.task in ("quadrants", "sums")
