"""The buckets in which every sketch counts elements, by sign and magnitude.

The bucket of a float32 is its top 11 bits: the sign, the eight exponent bits and the first two
mantissa bits. This gives 2048 buckets, four per power of two, that cover all numbers: no range has
to be chosen beforehand, no element is lost, and sketches are merged by adding counts.

This module requires only NumPy, for readers of sketches. `statistics/tensor_sketch.py` counts the
elements of a tensor in these buckets.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_BUCKETS = 2048
"""One bucket for each pattern of the top 11 bits."""

MANTISSA_BITS = 2
"""Mantissa bits that distinguish the buckets within a power of two."""

SHIFT = 23 - MANTISSA_BITS
"""Number of low bits of a float32 that do not affect its bucket."""

ZERO = 0
"""The bucket of zeros of either sign, and of the smallest positive subnormals."""

NEGATIVE = 1024
"""The first bucket of negative numbers; the buckets before it hold positive numbers."""

NONFINITE = 255 << MANTISSA_BITS
"""The first bucket, of either sign, whose exponent means infinity or NaN."""

SUBNORMAL = 1 << MANTISSA_BITS
"""Number of buckets, of either sign, whose exponent means zero or subnormal."""

SMALLEST_NORMAL = 2.0**-126
"""The smallest positive normal float32."""


def _magnitude_edges() -> NDArray[np.float64]:
    bits = np.arange(NONFINITE + 1, dtype=np.uint32) << np.uint32(SHIFT)
    edges = bits.view(np.float32).astype(np.float64)
    edges[-1] = 2.0**128  # instead of infinity, whose bits these are
    edges.flags.writeable = False
    return edges


MAGNITUDE_EDGES = _magnitude_edges()
"""float64 `[1021]`, ascending from 0 to 2**128: bucket `i` holds the positive numbers from
`MAGNITUDE_EDGES[i]` up to, but not including, `MAGNITUDE_EDGES[i + 1]`. Zero is in bucket 0."""


def bucket_of(values: ArrayLike) -> NDArray[np.int64]:
    """Returns the bucket of each value.

    Args:
        values: Array of any shape. It is converted to float32 first.

    Returns:
        int64 array of the same shape, with values from 0 to 2047.
    """
    values = np.asarray(values, np.float32)
    bits = np.where(values == 0, np.float32(0), values).view(np.uint32)  # -0 counts as 0
    return (bits >> np.uint32(SHIFT)).astype(np.int64)
