"""The catalogue of measured quantities, one entry for each.

It defines what a record holds, the numbers used on disk, and the charts with their descriptions.
`record.py` has an attribute for each entry; a test checks that the two agree. Imports neither
TensorFlow nor Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from vg_keras.record import Record


@dataclass(frozen=True)
class Chart:
    """A kind of chart in TensorBoard.

    Args:
        tag: The prefix of its tags, which the path of the variable or layer follows.
        form: How it is drawn. A "log10_histogram" shows log10 of the absolute values.
        description: The description that TensorBoard shows.
        read: For a "scalar", a function from a record and a path to the value.
    """

    tag: str
    form: Literal["scalar", "histogram", "log10_histogram", "text"]
    description: str
    read: Callable[[Record, str], float] | None = None


@dataclass(frozen=True)
class Quantity:
    """A measured quantity.

    Args:
        name: The attribute of `Record`, and the key on disk.
        of: Whether each variable, each layer or the model as a whole has a value.
        form: Whether a value is a sketch, a float or an integer.
        unit: Its unit; "1" for a ratio or a fraction.
        number: Its number on disk, unique among sketches or among the others. None if it is derived
            from other quantities and not stored.
        since: The first format version that contains it.
        charts: The charts that show it.
        choice: The argument of `GradientMonitor` that selects it, or None if it is always recorded.
        only_regularized: Whether only variables with a regularizer have it.
        stored_with: For a number that is computed in the step, the sketch that it is stored with.
    """

    name: str
    of: Literal["variables", "layers", "model"]
    form: Literal["sketch", "number", "count"]
    unit: str
    number: int | None
    since: int
    charts: tuple[Chart, ...] = ()
    choice: str | None = None
    only_regularized: bool = False
    stored_with: str | None = None

    def paths_in(self, record: Record) -> list[str]:
        """Returns the paths that have a value in a record; for the model as a whole, `[""]`."""
        if self.name == "global_gradient_norm":
            return [""] if record.gradients else []
        return list(self.values_in(record))

    def values_in(self, record: Record) -> Mapping[str, Any]:
        """Returns the stored values of a record by path."""
        found = getattr(record, self.name)
        if self.of == "model":
            return {} if found is None else {"": found}
        return cast(Mapping[str, Any], found)


_GRADIENT = "loss per unit of the variable"
_OUTPUT = "unit of the output"
_OUTPUT_GRADIENT = "loss per unit of the output"
_VARIABLE = "unit of the variable"

QUANTITIES = (
    Quantity(
        name="gradients",
        of="variables",
        form="sketch",
        unit=_GRADIENT,
        number=0,
        since=1,
        charts=(
            Chart(
                "gradients",
                "histogram",
                "The values of this variable's gradient at this step.",
            ),
            Chart(
                "log10_gradients",
                "log10_histogram",
                "log10 of the absolute values of this variable's gradient, without zeros: -6 means "
                "0.000001. One unit on this axis is a factor of ten.",
            ),
            Chart(
                "gradient_norm",
                "scalar",
                "L2 norm of this variable's gradient, before the optimizer's clipping. NaN if any "
                "value is not finite.",
                lambda record, path: record.gradients[path].norm,
            ),
        ),
    ),
    Quantity(
        name="global_gradient_norm",
        of="model",
        form="number",
        unit="loss per unit of the variables",
        number=None,
        since=3,
        charts=(
            Chart(
                "global_gradient_norm",
                "scalar",
                "L2 norm of the gradients of all monitored variables together, before the "
                "optimizer's clipping. NaN if any value is not finite.",
                lambda record, _: record.global_gradient_norm,
            ),
            Chart(
                "largest_gradients",
                "text",
                "The variables with the largest gradient norms, and those whose norm differs most "
                "from their usual norm, the median of earlier records.",
            ),
        ),
    ),
    Quantity(
        name="data_loss_gradients",
        of="variables",
        form="sketch",
        unit=_GRADIENT,
        number=1,
        since=2,
        charts=(
            Chart(
                "data_loss_gradient_norm",
                "scalar",
                "L2 norm of this variable's gradient without the part that its regularizer adds.",
                lambda record, path: record.data_loss_gradients[path].norm,
            ),
        ),
        only_regularized=True,
    ),
    Quantity(
        name="regularization_gradients",
        of="variables",
        form="sketch",
        unit=_GRADIENT,
        number=2,
        since=2,
        charts=(
            Chart(
                "regularization_gradient_norm",
                "scalar",
                "L2 norm of the part of this variable's gradient that its regularizer adds. If it "
                "is nearly the whole gradient, this variable learns nothing from the data.",
                lambda record, path: record.regularization_gradients[path].norm,
            ),
        ),
        only_regularized=True,
    ),
    Quantity(
        name="update_norms",
        of="variables",
        form="number",
        unit=_VARIABLE,
        number=0,
        since=2,
        charts=(
            Chart(
                "update_ratio",
                "scalar",
                "How far the optimizer moved this variable in this step, relative to its size: "
                "||new - old|| / ||old||. About 0.001 is healthy.",
                Record.update_ratio,
            ),
        ),
        choice="updates",
        stored_with="gradients",
    ),
    Quantity(
        name="weight_norms",
        of="variables",
        form="number",
        unit=_VARIABLE,
        number=1,
        since=2,
        choice="updates",
        stored_with="gradients",
    ),
    Quantity(
        name="weights",
        of="variables",
        form="sketch",
        unit=_VARIABLE,
        number=3,
        since=2,
        charts=(Chart("weights", "histogram", "The values of this variable before the update."),),
        choice="weights",
    ),
    Quantity(
        name="first_moments",
        of="variables",
        form="sketch",
        unit="of the optimizer",
        number=6,
        since=3,
        charts=(
            Chart(
                "first_moments",
                "histogram",
                "The optimizer's momentum for this variable: for Adam, the running mean of the "
                "gradient.",
            ),
        ),
        choice="optimizer_state",
    ),
    Quantity(
        name="second_moments",
        of="variables",
        form="sketch",
        unit="of the optimizer",
        number=7,
        since=3,
        charts=(
            Chart(
                "second_moments",
                "histogram",
                "The optimizer's velocity for this variable: for Adam, the running mean of the "
                "squared gradient.",
            ),
        ),
        choice="optimizer_state",
    ),
    Quantity(
        name="activations",
        of="layers",
        form="sketch",
        unit=_OUTPUT,
        number=4,
        since=2,
        charts=(Chart("activations", "histogram", "The values of this layer's output."),),
        choice="activations",
    ),
    Quantity(
        name="activation_gradients",
        of="layers",
        form="sketch",
        unit=_OUTPUT_GRADIENT,
        number=5,
        since=2,
        charts=(
            Chart(
                "activation_gradients",
                "histogram",
                "The backpropagated gradient at this layer: the values of dL/d(output), where L is "
                "the mean loss of the batch.",
            ),
            Chart(
                "log10_activation_gradients",
                "log10_histogram",
                "log10 of the absolute values of dL/d(output), without zeros: -6 means 0.000001. "
                "One unit on this axis is a factor of ten.",
            ),
            Chart(
                "activation_gradient_rms",
                "scalar",
                "Root mean square of dL/d(output): the size of the backpropagated gradient at this "
                "layer. Gradients vanish if it is much smaller in the first layers.",
                lambda record, path: record.activation_gradients[path].rms,
            ),
            Chart(
                "activation_gradient_rms_per_example",
                "scalar",
                "Root mean square of dL/d(output) for the loss of one example: comparable between "
                "different batch sizes.",
                Record.activation_gradient_rms_per_example,
            ),
        ),
        choice="activations",
    ),
    Quantity(
        name="saturated_units",
        of="layers",
        form="number",
        unit="1",
        number=3,
        since=2,
        charts=(
            Chart(
                "saturated_units",
                "scalar",
                "Fraction of units in the flat part of their activation function, such as tanh "
                "beyond 0.97, averaged over the batch. They pass almost no gradient.",
                lambda record, path: record.saturated_units[path],
            ),
        ),
        choice="activations",
        stored_with="activations",
    ),
    Quantity(
        name="examples",
        of="layers",
        form="count",
        unit="examples",
        number=2,
        since=2,
        choice="activations",
        stored_with="activations",
    ),
    Quantity(
        name="dead_units",
        of="layers",
        form="number",
        unit="1",
        number=4,
        since=2,
        charts=(
            Chart(
                "dead_units",
                "scalar",
                "Fraction of units whose output was zero for every example of the last records, up "
                "to ten. They pass no gradient.",
                lambda record, path: record.dead_units[path],
            ),
        ),
        choice="activations",
    ),
    Quantity(
        name="dead_unit_examples",
        of="layers",
        form="count",
        unit="examples",
        number=5,
        since=2,
        choice="activations",
    ),
    Quantity(
        name="loss",
        of="model",
        form="number",
        unit="loss",
        number=6,
        since=3,
        stored_with="gradients",
    ),
    Quantity(
        name="nonfinite_data",
        of="model",
        form="count",
        unit="numbers",
        number=7,
        since=3,
        stored_with="gradients",
    ),
    Quantity(
        name="unit_spread",
        of="variables",
        form="number",
        unit="1",
        number=8,
        since=3,
    ),
)
"""Every quantity, in the order in which TensorBoard and tables show them."""

SKETCHES = tuple(q for q in QUANTITIES if q.form == "sketch")
"""The quantities that are sketches of tensors."""

NUMBERS = tuple(q for q in QUANTITIES if q.form != "sketch" and q.number is not None)
"""The stored quantities that are one number for each path."""

OF_MODEL = frozenset(q.name for q in NUMBERS if q.of == "model")
"""The names of the stored numbers of the model as a whole, which have no path."""

EXTRAS = {
    sketch.name: tuple(q.name for q in NUMBERS if q.stored_with == sketch.name)
    for sketch in SKETCHES
}
"""The numbers that are stored with each sketch in the step, in the order of their columns."""

BY_NAME = {quantity.name: quantity for quantity in QUANTITIES}

CHARTS = {chart.tag: (quantity, chart) for quantity in QUANTITIES for chart in quantity.charts}
"""For each tag, the quantity that is shown and the chart."""
