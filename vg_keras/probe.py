"""The probe: a fixed batch on which a model is observed again and again while it trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from vg_keras.log import format as log_format


class Probe:
    """A fixed batch whose gradients are computed at each recorded step, without training on it.

    It allows comparing two models, or two moments of one model, on the same data. The probe does
    not affect training: batch statistics, random seeds, metrics and optimizers keep their state.
    Its dropout masks are the same at every step.

    Args:
        x: A batch of inputs for the model: an array, or a structure of arrays.
        y: The targets, or None if the loss takes none.
        sample_weight: The sample weights, or None.
        training: Whether the model runs in training mode, with dropout and batch statistics, or in
            inference mode.
        loss: A function of the model, x and y that returns a scalar loss, for models whose train
            step computes its own. By default the loss that the model is compiled with.
        name: The TensorBoard run of the probe's records, a subdirectory of `log_dir`.

    Raises:
        ValueError: If the batch is empty, its parts differ in length, or `name` is not a plain
            directory name or is that of another run.

    Example:
        >>> GradientMonitor(probe=Probe(x[:256], y[:256]))  # doctest: +SKIP
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        training: bool = True,
        loss: Callable[[keras.Model, Any, Any], tf.Tensor] | None = None,
        name: str = "probe",
    ) -> None:
        self.x, self.y, self.sample_weight = (_tensors(part) for part in (x, y, sample_weight))
        self.training = training
        self.loss = loss
        self.name = name
        _check_lengths([self.x, self.y, self.sample_weight])
        if not name or name != name.strip("./") or "/" in name or name in log_format.OTHER_RUNS:
            raise ValueError(
                "`name` must be a plain directory name, other than "
                f"{', '.join(log_format.OTHER_RUNS)}. Received: name={name!r}."
            )


def as_probe(probe: Any) -> Probe | None:
    """Converts the argument `probe` to a Probe, or None.

    Args:
        probe: A Probe, `(x, y)`, `(x, y, sample_weight)`, or None.

    Raises:
        TypeError: If it is none of these.
    """
    if probe is None or isinstance(probe, Probe):
        return probe
    if isinstance(probe, tuple) and 2 <= len(probe) <= 3:
        return Probe(*probe)
    raise TypeError(
        "`probe` must be a vg_keras.Probe, a tuple (x, y) or (x, y, sample_weight), or None. "
        f"Received: a {type(probe).__name__}."
    )


def _tensors(part: Any) -> Any:
    return keras.tree.map_structure(tf.convert_to_tensor, part) if part is not None else None


def _check_lengths(parts: list[Any]) -> None:
    tensors = [t for part in parts if part is not None for t in keras.tree.flatten(part)]
    lengths = {int(tensor.shape[0]) if tensor.shape.rank else 0 for tensor in tensors}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            "`probe` must hold at least one example, and as many targets and weights as examples. "
            f"Received: arrays of {', '.join(map(str, sorted(lengths)))} examples."
        )
