"""Measures how much the units of a layer differ, on the host.

If all units start alike and are treated alike, they stay alike. So it is enough to look at the
first records, and nothing is added to the train step.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


def unit_spreads(variables: Mapping[str, keras.Variable]) -> dict[str, float]:
    """Returns `unit_spread` of the kernels among some variables, by path.

    Args:
        variables: The variables by path. Those with less than two axes or two units are left out.
    """
    kernels = {p: v for p, v in variables.items() if len(v.shape) > 1 and v.shape[-1] > 1}
    return {path: unit_spread(_read(kernel)) for path, kernel in kernels.items()}


def unit_spread(kernel: NDArray[np.float64]) -> float:
    """Returns ||W - mean of W over its units|| / ||W||, with the L2 norm.

    Args:
        kernel: `[..., units]`.

    Returns:
        A number from 0, if all units are alike, to 1; 0 for a kernel of zeros, NaN if any element
        is not finite.
    """
    largest = np.abs(kernel).max(initial=0.0)
    if not np.isfinite(largest):
        return float("nan")
    if largest == 0:
        return 0.0
    scaled = kernel / largest  # so that no square overflows or underflows
    differences = scaled - scaled.mean(axis=-1, keepdims=True)
    return float(np.linalg.norm(differences) / np.linalg.norm(scaled))


def _read(variable: keras.Variable) -> NDArray[np.float64]:
    values = tf.convert_to_tensor(variable.value)
    return tf.cast(values, tf.float64 if not values.dtype.is_complex else values.dtype).numpy()
