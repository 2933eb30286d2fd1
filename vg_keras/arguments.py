"""Validates the arguments of `GradientMonitor`."""

from __future__ import annotations

import importlib
import numbers
import os
import re
import warnings
from collections.abc import Collection, Sequence
from typing import Any

import keras

from vg_keras.capture.optimizers import optimizers_of
from vg_keras.log.charts import DEFAULT_KINDS, KINDS

OLDEST_TESTED = {"keras": "3.13", "tensorflow": "2.20"}
"""Oldest tested versions, as in pyproject.toml, where they are optional, so pip does not check."""


def check_backend() -> None:
    """Raises a RuntimeError unless Keras runs on the TensorFlow backend."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            "GradientMonitor needs Keras on the TensorFlow backend. "
            f"Received: backend {backend!r}. "
            "Set the environment variable KERAS_BACKEND=tensorflow before Keras is imported."
        )


def warn_of_old_versions() -> None:
    """Warns if Keras or TensorFlow is older than the oldest tested version."""
    for package, oldest in OLDEST_TESTED.items():
        found = importlib.import_module(package).__version__
        if _numbers_of(found) < _numbers_of(oldest):
            warnings.warn(
                f"GradientMonitor is tested with {package} {oldest} and newer. "
                f"Received: {package} {found}. Upgrade it: pip install --upgrade {package}",
                stacklevel=3,
            )


def _numbers_of(version: str) -> tuple[int, ...]:
    """Returns the first two numbers of a version, such as "2.21.0rc1"."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def check_model(model: Any) -> None:
    """Raises a TypeError unless `model` is a Keras 3 model."""
    if isinstance(model, keras.Model):
        return
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    is_legacy = any(base.__module__.startswith("tf_keras.") for base in type(model).__mro__)
    advice = (
        "This is a Keras 2 model. Build it with the package `keras`, version 3; if you use "
        "`tf.keras`, do not set the environment variable TF_USE_LEGACY_KERAS."
        if is_legacy
        else "Build it with the package `keras`."
    )
    raise TypeError(f"GradientMonitor needs a `keras.Model` of Keras 3. Received: {kind}. {advice}")


def checked_path(log_dir: str | os.PathLike[str]) -> str:
    """Returns the path of a log directory; raises a TypeError if it is not a path."""
    try:
        path = os.fspath(log_dir)
    except TypeError:
        path = None
    if not isinstance(path, str) or not path:
        raise TypeError(
            "`log_dir` must be the path of a directory, or None to write nothing. "
            f"Received: log_dir={log_dir!r}."
        )
    return path


def checked_patterns(patterns: str | Sequence[str], argument: str) -> list[str]:
    """Returns path patterns as a list; raises a TypeError if they are not strings."""
    found = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(found, Sequence) or not all(isinstance(one, str) for one in found):
        raise TypeError(
            f"`{argument}` must be a pattern of paths such as '*/bias', or a list of patterns. "
            f"Received: {argument}={patterns!r}."
        )
    return list(found)


def checked_budget(budget: float) -> float:
    """Returns the budget; raises a TypeError or a ValueError if it is invalid."""
    expected = "`budget` must be a fraction of the training time, more than 0 and at most 1."
    received = f"Received: budget={budget!r}. Use budget=0.01."
    if isinstance(budget, bool) or not isinstance(budget, numbers.Real):
        raise TypeError(f"{expected} {received}")
    if not 0 < budget <= 1:
        raise ValueError(f"{expected} {received}")
    return float(budget)


def checked_charts(charts: Collection[str] | None) -> list[str]:
    """Returns the kinds of charts; raises a TypeError or a ValueError if one is invalid."""
    if charts is None:
        return list(DEFAULT_KINDS)
    if charts == "all":
        return list(KINDS)
    if isinstance(charts, str) or not isinstance(charts, Collection):
        raise TypeError(
            "`charts` must be a list of kinds of charts, 'all', or None for the default ones. "
            f"Received: charts={charts!r}."
        )
    unknown = [kind for kind in charts if kind not in KINDS]
    if unknown:
        raise ValueError(
            f"`charts` must be a subset of {', '.join(KINDS)}. "
            f"Received: {', '.join(map(repr, unknown))}."
        )
    return [kind for kind in KINDS if kind in charts]


def checked_optimizers(model: keras.Model, optimizer: Any) -> list[keras.optimizers.Optimizer]:
    """Returns the optimizers that train a model.

    Args:
        model: The model.
        optimizer: A Keras optimizer, several of them, or None for those of the model.

    Raises:
        TypeError: If `optimizer` is none of these.
        ValueError: If there is no optimizer.
    """
    if optimizer is None:
        optimizers = optimizers_of(model)
    else:
        optimizers = list(optimizer) if isinstance(optimizer, (list, tuple)) else [optimizer]
    wrong = [o for o in optimizers if not isinstance(o, keras.optimizers.Optimizer)]
    if wrong:
        raise TypeError(
            "`optimizer` must be a Keras optimizer, or a list of them. "
            f"Received: a {type(wrong[0]).__name__}."
        )
    if not optimizers:
        raise ValueError(
            f"Expected an optimizer. The model {model.name!r} has none of its own. "
            "Pass the optimizer of your loop: `monitor.watch(model, optimizer)`."
        )
    return optimizers
