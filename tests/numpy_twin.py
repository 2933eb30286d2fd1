"""The statistics and bucket counts of an array, straight from their definitions, in NumPy float64.

Shares no code with vg_keras and computes differently: exponents by `frexp`, sums by `math.fsum`.
"""

import math

import numpy as np

BUCKETS_OF_A_SIGN = 1024  # 256 exponents, four buckets each
SMALLEST_NORMAL = 2.0**-126
OF_FINITE = ("sum", "l1_norm", "norm", "min", "max", "max_abs")
"""Statistics that a sketch has for the finite elements alone, too."""


def statistics(values):
    """Returns every statistic by name."""
    values = np.asarray(values).ravel()
    is_finite = np.isfinite(values)
    finite = values[is_finite].astype(np.float64)
    of_finite = _statistics_of_finite(finite)
    unknown = dict.fromkeys(of_finite, math.nan)
    return {
        "count": len(values),
        "finite": len(finite),
        "nonfinite": len(values) - len(finite),
        "zeros": int(np.sum(finite == 0)),
        "nans": int(np.sum(np.isnan(values))),
        "positive_infinities": int(np.sum(np.isposinf(values))),
        "negative_infinities": int(np.sum(np.isneginf(values))),
        **(of_finite if is_finite.all() else unknown),
        **{f"finite_{name}": of_finite[name] for name in OF_FINITE},
    }


def _statistics_of_finite(finite):
    magnitudes, number = np.abs(finite), len(finite)
    norm = math.hypot(*finite.tolist())
    return {
        "sum": math.fsum(finite),
        "l1_norm": math.fsum(magnitudes),
        "norm": norm,
        "min": finite.min() if number else math.nan,
        "max": finite.max() if number else math.nan,
        "max_abs": magnitudes.max() if number else math.nan,
        "mean": math.fsum(finite) / number if number else math.nan,
        "mean_abs": math.fsum(magnitudes) / number if number else math.nan,
        "rms": norm / math.sqrt(number) if number else math.nan,
    }


def bucket_counts(values):
    """Returns how many elements fall into each of the 2048 buckets.

    A bucket is a sign, an exponent and the two top mantissa bits of a float32; -0 counts as +0.
    """
    values = np.asarray(values).ravel()
    is_nan = np.isnan(values)
    numbers = values[~is_nan].astype(np.float64)
    indices = np.concatenate([_of_number(numbers), _of_nan(values[is_nan])])
    counts = np.zeros(2 * BUCKETS_OF_A_SIGN, np.int64)
    np.add.at(counts, indices, 1)
    return counts


def _of_number(numbers):
    magnitudes = np.abs(numbers)
    fraction, exponent = np.frexp(magnitudes)  # the mantissa is from 0.5 up to 1
    normal = 4 * (exponent + 126) + np.floor(8 * fraction - 4)
    subnormal = np.floor(np.minimum(magnitudes, SMALLEST_NORMAL) / SMALLEST_NORMAL * 4)
    index = np.where(magnitudes < SMALLEST_NORMAL, subnormal, normal)
    index = np.where(np.isinf(magnitudes), 4 * 255, np.minimum(index, 4 * 255 - 1))
    return (index + np.where(numbers < 0, BUCKETS_OF_A_SIGN, 0)).astype(np.int64)


def _of_nan(nans):
    bits = nans.astype(np.float32).view(np.uint32)
    return bits.astype(np.int64) // 2**21
