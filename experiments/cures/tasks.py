"""Small learning problems. A linear model can't solve those of vectors, except `slope`."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.cures.settings import Settings

Array = NDArray[np.float32]

NUM_EXAMPLES = 512
FEATURES = 8
_TIME_STEPS = 40
_SPOILED_EXAMPLE = 3
"""The number of the example that contains a value that is not finite."""


def examples(settings: Settings) -> tuple[Array, Array]:
    """Returns inputs and targets, with the faults that the settings plant in them.

    Returns:
        float32 `[NUM_EXAMPLES, FEATURES]`, or `[NUM_EXAMPLES, 40, 3]` for sequences, and
        `[NUM_EXAMPLES, 1]`.
    """
    generator = np.random.default_rng(settings.seed)
    shape = [_TIME_STEPS, 3] if settings.is_recurrent else [FEATURES]
    x = generator.normal(size=[NUM_EXAMPLES, *shape])
    y: NDArray[Any]
    if settings.task == "quadrants":  # whether the first two inputs have the same sign
        y = x[:, :1] * x[:, 1:2] > 0
    elif settings.task == "sums":  # whether the first input is positive on average over time
        y = x[:, :, 0].sum(1, keepdims=True) > 0
    else:
        y = x @ generator.normal(size=[FEATURES, 1])
        if settings.task == "curve":
            y = np.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:3]
        y = settings.target_scale * (y - y.mean()) / y.std() + settings.target_shift
    if settings.inputs == "grayscale":
        x = np.clip(128 + 64 * x, 0, 255)
    arrays = {"inputs": x.astype(np.float32), "targets": y.astype(np.float32)}
    if settings.spoiled:
        arrays[settings.spoiled][_SPOILED_EXAMPLE, 0] = float(settings.spoiled_by)
    return arrays["inputs"], arrays["targets"]


def clean_examples(settings: Settings) -> tuple[Array, Array]:
    """Returns the examples without values that are not finite, to judge a model by."""
    return examples(replace(settings, spoiled=""))


def guess(settings: Settings) -> float:
    """Returns the outcome of the best constant prediction; see `training.outcome`."""
    if not settings.is_classification:
        return 1.0
    frequency = float(clean_examples(settings)[1].mean())
    return float(-sum(p * np.log(p) for p in (frequency, 1 - frequency)))
