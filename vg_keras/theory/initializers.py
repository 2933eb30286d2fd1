"""Computes the variance of the weights that a Keras initializer draws.

Only the settings of the initializer are read: nothing is drawn, and Keras is not imported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_STDDEV, _BOUND = 0.05, 0.05  # Keras's defaults

_TRUNCATED = 0.87962566103423978
"""Standard deviation of the standard normal distribution truncated at +-2."""

_SCALING = {
    f"{family}_{distribution}": {"scale": scale, "mode": mode}
    for family, scale, mode in (
        ("glorot", 1.0, "fan_avg"),
        ("he", 2.0, "fan_in"),
        ("lecun", 1.0, "fan_in"),
    )
    for distribution in ("normal", "uniform")
}


def weight_variance_of(
    initializer: Any = "glorot_uniform", fan_in: int = 512, fan_out: int | None = None
) -> float:
    """Returns sw2 of a Keras kernel initializer: the variance of a weight times `fan_in`.

    Args:
        initializer: A Keras initializer, its name or its serialized form. Supported are Glorot, He
            and LeCun, both uniform and normal, `VarianceScaling`, `RandomNormal`, `RandomUniform`,
            `TruncatedNormal` and `Orthogonal`.
        fan_in: Number of inputs of a unit: the width of the previous layer, or for a convolution
            its channels times the size of the kernel.
        fan_out: Number of units that each input feeds; `fan_in` by default.

    Returns:
        2 for He, 1 for LeCun; between layers of equal width 1 for Glorot, and for `Orthogonal` the
        square of its gain.

    Raises:
        ValueError: If the initializer is not supported (such as zeros, whose weights are not
            random), or a width is not positive.
    """
    fan_out = fan_in if fan_out is None else fan_out
    if fan_in < 1 or fan_out < 1:
        raise ValueError(f"Widths must be positive. Received: fan_in={fan_in}, fan_out={fan_out}.")
    return fan_in * _variance(initializer, fan_in, fan_out)


def bias_variance_of(initializer: Any = "zeros") -> float:
    """Returns sb2 of a Keras bias initializer: the variance of its values, 0 for zeros.

    Raises:
        ValueError: If the initializer is not supported.
    """
    name, _ = _name_and_settings(initializer)
    return 0.0 if name == "zeros" else _variance(initializer, 1, 1)


def _variance(initializer: Any, fan_in: int, fan_out: int) -> float:
    name, settings = _name_and_settings(initializer)
    if name in _SCALING:
        name, settings = "variance_scaling", _SCALING[name]
    get = settings.get
    low, high = get("minval", -_BOUND), get("maxval", _BOUND)
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    is_centred = get("mean", 0.0) == 0 and (name != "random_uniform" or low == -high)
    match name if is_centred else "":
        case "variance_scaling":
            return get("scale", 1.0) / fans[get("mode", "fan_in")]
        case "random_normal":
            return get("stddev", _STDDEV) ** 2
        case "truncated_normal":
            return (get("stddev", _STDDEV) * _TRUNCATED) ** 2
        case "random_uniform":
            return (high - low) ** 2 / 12
        case "orthogonal":
            return get("gain", 1.0) ** 2 / max(fan_in, fan_out)
    raise ValueError(
        "Expected an initializer that draws random numbers around zero, such as glorot_uniform, "
        f"he_normal, random_normal or orthogonal. Received: {initializer!r}."
    )


def _name_and_settings(initializer: Any) -> tuple[str, dict[str, Any]]:
    """Returns the name of an initializer as in Keras, with underscores, and its settings."""
    if isinstance(initializer, str):
        return _underscored(initializer), {}
    if isinstance(initializer, Mapping):
        return _underscored(str(initializer.get("class_name"))), dict(initializer.get("config", {}))
    if not hasattr(initializer, "get_config") or isinstance(initializer, type):
        return "", {}
    return _underscored(type(initializer).__name__), dict(initializer.get_config())


def _underscored(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
