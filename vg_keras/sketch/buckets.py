"""The buckets by magnitude that every sketch counts in.

The bucket of a float32 is its own top 11 bits: the sign, the eight exponent bits and the first two
mantissa bits. So there are 2048 buckets, four to a power of two, for every number there is: no
range has to be known beforehand, no element is lost, and two sketches add up by adding counts.

This module knows the buckets in NumPy alone, without TensorFlow, for whoever reads a sketch. How a
tensor is counted into them is in `statistics/tensor_sketch.py`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_BUCKETS = 2048
"""One for each pattern of the top 11 bits."""

MANTISSA_BITS = 2
"""Mantissa bits that tell buckets of one power of two apart."""

SHIFT = 23 - MANTISSA_BITS
"""Low bits of a float32 that its bucket does not depend on."""

ZERO = 0
"""The bucket of zeros of either sign, which the smallest positive subnormals share."""

NEGATIVE = 1024
"""First bucket of the negative numbers; those before it hold the positive ones."""

NONFINITE = 255 << MANTISSA_BITS
"""First bucket, of either sign, whose exponent says infinity or NaN."""

SUBNORMAL = 1 << MANTISSA_BITS
"""Number of buckets, of either sign, whose exponent says zero or subnormal."""

SMALLEST_NORMAL = 2.0**-126
"""The smallest positive float32 that is not subnormal."""


def _magnitude_edges() -> NDArray[np.float64]:
    bits = np.arange(NONFINITE + 1, dtype=np.uint32) << np.uint32(SHIFT)
    edges = bits.view(np.float32).astype(np.float64)
    edges[-1] = 2.0**128  # where infinity stands among the bits, the number line goes on
    edges.flags.writeable = False
    return edges


MAGNITUDE_EDGES = _magnitude_edges()
"""float64 `[1021]`, ascending from 0 to 2**128: bucket `i` of the positive numbers holds those from
`MAGNITUDE_EDGES[i]` up to, but not including, `MAGNITUDE_EDGES[i + 1]`, and zero is in bucket 0."""


def bucket_of(values: ArrayLike) -> NDArray[np.int64]:
    """Returns the bucket of each value.

    Args:
        values: Array of any shape. Anything but float32 is converted to it first.

    Returns:
        int64 array of the same shape, from 0 to 2047.
    """
    values = np.asarray(values, np.float32)
    bits = np.where(values == 0, np.float32(0), values).view(np.uint32)  # -0 counts as 0
    return (bits >> np.uint32(SHIFT)).astype(np.int64)
