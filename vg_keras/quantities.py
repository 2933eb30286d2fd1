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
        kind: Its name, by which `charts=` and `profile` select it.
        form: How it is drawn. A "log10_scalar" shows log10 of the value, a "log10_histogram" log10
            of the absolute values: TensorBoard's own charts open with a linear axis.
        description: The description that TensorBoard shows.
        read: For a curve, a function from a record and a path to the value, not its logarithm. None
            for a curve that needs more than one record.
        prefix: The beginning of its tags. Defaults to `kind`, after "log10_" for a "log10_scalar".
            TensorBoard sorts tags and groups them by what precedes the first slash, so the numbers
            of the default groups put the most important one first.
        is_default: Whether it is written unless `charts=` selects others.
        only_kernels: Whether only kernels and embeddings are shown, not biases and scales; all
            variables if the model has no kernels. See `ModelDescription.kernels`.
        is_defined: For a curve, whether a recorded path has a value in a record. Always by default.
    """

    kind: str
    form: Literal["scalar", "log10_scalar", "histogram", "log10_histogram", "text", "image"]
    description: str
    read: Callable[[Record, str], float] | None = None
    prefix: str = ""
    is_default: bool = False
    only_kernels: bool = False
    is_defined: Callable[[Record, str], bool] = lambda record, path: True

    def __post_init__(self) -> None:
        """Sets the default of `prefix`."""
        of_form = "log10_" if self.form == "log10_scalar" else ""
        object.__setattr__(self, "prefix", self.prefix or of_form + self.kind)


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

_LOG10 = "-6 means 0.000001. No point if the value is zero or infinite"

QUANTITIES = (
    Quantity(
        name="gradient_flow",
        of="model",
        form="number",
        unit="powers of ten",
        number=None,
        since=3,
        charts=(
            Chart(
                "norm_by_layer",
                "image",
                "L2 norm of the gradient at each layer's output: layers down, steps across, with "
                "the same colors in all training runs. One color from top to bottom is healthy.",
                prefix="1_gradient_flow/by_layer",
                is_default=True,
            ),
            Chart(
                "decades_lost",
                "scalar",
                "Powers of ten by which the backpropagated gradient shrinks from the last hidden "
                "layer to the first. Near 0 is healthy; above 3 the gradient vanishes, below -3 it "
                "explodes. 100 if nothing reaches the first layer, NaN if a gradient is not finite "
                "or the last hidden layer gets none.",
                prefix="1_gradient_flow/decades_lost",
                is_default=True,
            ),
            Chart(
                "diagnoses",
                "text",
                "What is wrong, in which layers, since which step, and what to try.",
                prefix="1_gradient_flow/diagnoses",
                is_default=True,
            ),
        ),
    ),
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
                "log10_kernel_gradients",
                "log10_histogram",
                "log10 of the absolute values of this kernel's gradient, without zeros: -6 means "
                "0.000001. One unit on this axis is a factor of ten.",
                prefix="4_log10_gradients",
                is_default=True,
                only_kernels=True,
            ),
            Chart(
                "gradient_norm",
                "log10_scalar",
                "log10 of the L2 norm of this variable's gradient, before the optimizer's "
                f"clipping: {_LOG10}, NaN if any element is not finite.",
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
                "log10_scalar",
                "log10 of the L2 norm of the gradients of all monitored variables together, before "
                f"the optimizer's clipping: {_LOG10}, NaN if any element is not finite.",
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
                "log10_scalar",
                "log10 of the L2 norm of this variable's gradient without the part that its "
                f"regularizer adds: {_LOG10}, NaN if any element is not finite.",
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
                "log10_scalar",
                "log10 of the L2 norm of the part of this variable's gradient that its regularizer "
                "adds. If it is nearly the whole gradient, this variable learns nothing from the "
                f"data. {_LOG10}.",
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
                "kernel_update_ratio",
                "log10_scalar",
                "log10 of how far the optimizer moved this kernel in this step, relative to its "
                "size: ||new - old|| / ||old||. About -3, a factor of 0.001, is healthy; below -6 "
                "the layer hardly learns.",
                Record.update_ratio,
                prefix="3_log10_update_ratio",
                is_default=True,
                only_kernels=True,
                is_defined=Record.has_update_ratio,
            ),
            Chart(
                "update_ratio",
                "log10_scalar",
                "log10 of how far the optimizer moved this variable in this step, relative to its "
                "size: ||new - old|| / ||old||. About -3, a factor of 0.001, is healthy. No point "
                "if it did not move, or was zero before, as biases are at the start.",
                Record.update_ratio,
                is_defined=Record.has_update_ratio,
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
                "activation_gradient_norm",
                "log10_scalar",
                "log10 of the L2 norm of dL/d(output): the backpropagated gradient at this layer. "
                f"Gradients vanish if it is much smaller in the first layers. {_LOG10}, NaN if any "
                "element is not finite.",
                lambda record, path: record.activation_gradients[path].norm,
                prefix="2_log10_activation_gradient_norm",
                is_default=True,
            ),
            Chart(
                "activation_gradient_rms",
                "log10_scalar",
                "log10 of the root mean square of dL/d(output): the size of the backpropagated "
                f"gradient at this layer. {_LOG10}, NaN if any element is not finite.",
                lambda record, path: record.activation_gradients[path].rms,
            ),
            Chart(
                "activation_gradient_rms_per_example",
                "log10_scalar",
                "log10 of the root mean square of dL/d(output) for the loss of one example: "
                f"comparable between different batch sizes. {_LOG10}, NaN if any element is not "
                "finite.",
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

CHARTS = {chart.kind: (quantity, chart) for quantity in QUANTITIES for chart in quantity.charts}
"""For each kind of chart, the quantity that is shown and the chart."""

CURVES = {
    kind: quantity
    for kind, (quantity, chart) in CHARTS.items()
    if chart.read is not None and not chart.only_kernels
}
"""The quantity of each kind of chart that shows a number for each path, with all its paths."""
