"""Returns one quantity of a training run as an array, for rules, figures and reports.

Imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vg_keras.log.chart_names import chart_names
from vg_keras.quantities import BY_NAME, CHARTS, CURVES, Quantity
from vg_keras.record import ModelDescription, Record, Training


@dataclass(frozen=True)
class Profile:
    """The values of one quantity over a training run.

    Args:
        quantity: The name of the quantity.
        steps: int64 `[s]`, the recorded steps, ascending.
        paths: The `p` variables or layers, from the input to the output; a single empty path for a
            quantity of the model as a whole.
        values: float64 `[s, p]`. NaN if nothing was recorded, or if the tensor held NaN or
            infinities.
        recorded: bool `[s, p]`, whether a value was recorded, to tell these two cases apart.
        labels: Short names of the paths, as in TensorBoard ("01_dense/kernel"). Defaults to the
            paths.
        statistic: If the quantity is a sketch, the attribute of `Sketch` that the values are.
    """

    quantity: str
    steps: NDArray[np.int64]
    paths: tuple[str, ...]
    values: NDArray[np.float64]
    recorded: NDArray[np.bool_]
    labels: tuple[str, ...] = ()
    statistic: str = ""

    def __post_init__(self) -> None:
        """Sets the default of `labels`."""
        object.__setattr__(self, "labels", tuple(self.labels) or self.paths)

    def only(self, paths: Iterable[str]) -> Profile:
        """Returns the values of some variables or layers, in the same order."""
        wanted = set(paths)
        columns = [number for number, path in enumerate(self.paths) if path in wanted]
        return dataclasses.replace(
            self,
            paths=tuple(self.paths[number] for number in columns),
            values=self.values[:, columns],
            recorded=self.recorded[:, columns],
            labels=tuple(self.labels[number] for number in columns),
        )

    def over(self, paths: Sequence[str], model: ModelDescription) -> Profile:
        """Returns the values of some variables or layers, also of those without any.

        Args:
            paths: The paths, in the order of the model. Those that are not among them are kept out.
            model: The model.
        """
        names, own = chart_names(model), {path: i for i, path in enumerate(self.paths)}
        shape = len(self.steps), len(paths)
        values, recorded = np.full(shape, np.nan), np.zeros(shape, bool)
        for column, path in enumerate(paths):
            if path in own:
                values[:, column] = self.values[:, own[path]]
                recorded[:, column] = self.recorded[:, own[path]]
        labels = tuple(names[path] for path in paths)
        return dataclasses.replace(
            self, paths=tuple(paths), values=values, recorded=recorded, labels=labels
        )

    def row_at(self, step: int | None = None) -> int:
        """Returns the row of the last record that is not later than a step, or of the last of all.

        Raises:
            TypeError: If `step` is not an integer.
            ValueError: If there is no record at or before the step.
        """
        if not isinstance(step, int | np.integer | None):
            raise TypeError(f"`step` must be an integer or None. Received: step={step!r}.")
        rows = np.flatnonzero(self.steps <= (math.inf if step is None else step))
        if not len(rows):
            first = min(self.steps.tolist(), default=None)
            raise ValueError(
                f"`step` must not be before the first recorded step, {first}. "
                f"Received: step={step!r}."
            )
        return int(rows[-1])

    def value(self, row: int, column: int) -> float:
        """Returns a value: NaN if nothing was recorded, infinite if it is not finite."""
        value = float(self.values[row, column])
        return math.inf if self.recorded[row, column] and not math.isfinite(value) else value

    def of(self, path: str) -> NDArray[np.float64]:
        """Returns the values of one variable or layer, float64 `[s]`.

        Raises:
            KeyError: If nothing was recorded of it.
        """
        if path not in self.paths:
            raise KeyError(path)
        return self.values[:, self.paths.index(path)]


def profile(training: Training, quantity: str, statistic: str = "rms") -> Profile:
    """Returns one quantity of a training run as an array.

    Args:
        training: The training run.
        quantity: The name of a quantity, such as "gradients" or "saturated_units", or of a scalar
            chart, such as "update_ratio" or "gradient_norm"; see `vg_keras.quantities`.
        statistic: If the quantity is a sketch, the attribute of `Sketch` to return.

    Raises:
        ValueError: If there is no such quantity or statistic.

    Example:
        >>> found = profile(read_run("logs").latest, "update_ratio")  # doctest: +SKIP
        >>> found.values[-1]  # the last record, layer by layer
    """
    of, read = _reader(quantity, statistic)
    chart = CHARTS[quantity][1] if quantity in CURVES else None
    by_record = [
        {
            path: read(record, path)
            for path in of.paths_in(record)
            if chart is None or chart.is_defined(record, path)
        }
        for record in training.records
    ]
    paths = _paths(training, of, by_record)
    column = {path: number for number, path in enumerate(paths)}
    values = np.full([len(by_record), len(paths)], math.nan)
    recorded = np.zeros(values.shape, bool)
    for row, found in enumerate(by_record):
        columns = [column[path] for path in found]
        values[row, columns] = list(found.values())
        recorded[row, columns] = True
    steps = np.array([record.step for record in training.records], np.int64)
    names = chart_names(training.model)
    labels = tuple(names.get(path, path) for path in paths)
    is_sketch = quantity in BY_NAME and of.form == "sketch"
    return Profile(quantity, steps, paths, values, recorded, labels, statistic if is_sketch else "")


STATISTICS = (
    *("rms", "norm", "l1_norm", "sum", "mean", "mean_abs", "min", "max", "max_abs"),
    *("count", "finite", "nonfinite", "nans", "zeros"),
)
"""The attributes of `Sketch` that are one number."""

Read = Callable[[Record, str], float]


def _reader(name: str, statistic: str) -> tuple[Quantity, Read]:
    """Returns the quantity behind a name, and a function that reads its value from a record."""
    if name in BY_NAME and BY_NAME[name].form == "sketch":
        if statistic not in STATISTICS:
            raise ValueError(
                f"`statistic` must be one of {', '.join(STATISTICS)}. "
                f"Received: statistic={statistic!r}."
            )
        return BY_NAME[name], lambda record, path: _statistic(record, name, path, statistic)
    if name in CURVES and (read := CHARTS[name][1].read) is not None:
        return CURVES[name], read
    if name in BY_NAME and BY_NAME[name].number is not None:
        return BY_NAME[name], lambda record, path: float(BY_NAME[name].values_in(record)[path])
    names = sorted({*CURVES, *(q.name for q in BY_NAME.values() if q.number is not None)})
    raise ValueError(f"`quantity` must be one of {', '.join(names)}. Received: quantity={name!r}.")


def _statistic(record: Record, name: str, path: str, statistic: str) -> float:
    return float(getattr(getattr(record, name)[path], statistic))


def _paths(
    training: Training, of: Quantity, by_record: Iterable[dict[str, float]]
) -> tuple[str, ...]:
    """Returns the paths that occur in any record, in the order of the model."""
    found = {path for values in by_record for path in values}
    if of.of == "model":
        return ("",)
    model = training.model
    return tuple(p for p in (model.outputs if of.of == "layers" else model.variables) if p in found)
