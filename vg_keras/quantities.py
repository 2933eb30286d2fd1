"""The catalogue: one row for each quantity that is measured.

What a record holds, how it is numbered on disk, which charts show it and how these are described:
all of that follows from here. `record.py` keeps an attribute for each row, and a test holds the two
together. Neither TensorFlow nor Keras.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from vg_keras.record import Record
from vg_keras.sketch.sketch import Sketch


def norm_to_plot(sketch: Sketch) -> float:
    """Returns the L2 norm as a chart should show it: NaN where any element is not finite."""
    # A diverged gradient must not look like one that vanished. TensorBoard marks NaN by a triangle.
    return math.nan if sketch.nonfinite else sketch.norm


def rms_to_plot(sketch: Sketch) -> float:
    """Returns the root mean square as a chart should show it, like `norm_to_plot`."""
    return math.nan if sketch.nonfinite else sketch.rms


@dataclass(frozen=True)
class Chart:
    """A kind of chart in TensorBoard.

    Args:
        tag: What its tags begin with; the path of the variable or layer follows.
        form: How it is drawn. The bars of a "log10_histogram" are log10 of magnitudes.
        description: What TensorBoard says of it.
        read: Returns the number at a path of a record, for a "scalar".
    """

    tag: str
    form: Literal["scalar", "histogram", "log10_histogram", "text"]
    description: str
    read: Callable[[Record, str], float] | None = None


@dataclass(frozen=True)
class Quantity:
    """A quantity that is measured.

    Args:
        name: The attribute of `Record`, and the key on disk.
        of: What has one: each variable, each layer, or the model as a whole.
        form: Whether it is a sketch, a number or a whole number.
        unit: Its unit; "1" for a ratio or a fraction.
        number: Its number on disk, among the sketches or among the others; None for what follows
            from other quantities and is not stored.
        since: The format version that has it first.
        charts: The charts that show it.
    """

    name: str
    of: Literal["variables", "layers", "model"]
    form: Literal["sketch", "number", "count"]
    unit: str
    number: int | None
    since: int
    charts: tuple[Chart, ...] = ()


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
                "Values of the gradient that trained this variable at this step.",
            ),
            Chart(
                "log10_gradients",
                "log10_histogram",
                "log10 of the magnitudes of the gradient's values, zeros left out: -6 stands for "
                "0.000001. One unit on this axis is a factor of ten.",
            ),
            Chart(
                "gradient_norm",
                "scalar",
                "L2 norm of the gradient that trained this variable at this step, before clipping. "
                "NaN where any of its values is not finite.",
                lambda record, path: norm_to_plot(record.gradients[path]),
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
                "L2 norm of the gradients of all monitored variables together, before clipping. "
                "NaN where any value is not finite.",
                lambda record, _: record.global_gradient_norm,
            ),
            Chart(
                "largest_gradients",
                "text",
                "The variables with the largest gradients, and those whose gradient differs most "
                "from what was usual for it: the median of the records before.",
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
                "L2 norm of the gradient of the loss without this variable's regularizer.",
                lambda record, path: norm_to_plot(record.data_loss_gradients[path]),
            ),
        ),
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
                "L2 norm of what its regularizer adds to this variable's gradient. Where that is "
                "all there is of the gradient, the loss teaches this layer nothing.",
                lambda record, path: norm_to_plot(record.regularization_gradients[path]),
            ),
        ),
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
                "L2 norm of new minus old value of this variable, relative to that of the old "
                "value: what the optimizer really did. About 0.001 is healthy.",
                Record.update_ratio,
            ),
        ),
    ),
    Quantity(name="weight_norms", of="variables", form="number", unit=_VARIABLE, number=1, since=2),
    Quantity(
        name="weights",
        of="variables",
        form="sketch",
        unit=_VARIABLE,
        number=3,
        since=2,
        charts=(Chart("weights", "histogram", "Values of this variable before the update."),),
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
                "Values of what the optimizer keeps of this variable as momentum.",
            ),
        ),
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
                "Values of what the optimizer keeps of this variable as velocity.",
            ),
        ),
    ),
    Quantity(
        name="activations",
        of="layers",
        form="sketch",
        unit=_OUTPUT,
        number=4,
        since=2,
        charts=(Chart("activations", "histogram", "Values of this layer's output."),),
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
                "Values of dL/d(output) at this layer, the backpropagated signal, where L is the "
                "mean loss of the batch.",
            ),
            Chart(
                "log10_activation_gradients",
                "log10_histogram",
                "log10 of the magnitudes of dL/d(output), zeros left out. One unit on this axis is "
                "a factor of ten.",
            ),
            Chart(
                "activation_gradient_rms",
                "scalar",
                "Root mean square of dL/d(output): how strong the backpropagated signal is at this "
                "layer.",
                lambda record, path: rms_to_plot(record.activation_gradients[path]),
            ),
            Chart(
                "activation_gradient_rms_per_example",
                "scalar",
                "The same times the number of examples in the batch: that of one example's own "
                "loss, which does not depend on the size of the batch.",
                lambda record, path: (
                    rms_to_plot(record.activation_gradients[path]) * record.examples[path]
                ),
            ),
        ),
    ),
    Quantity(name="examples", of="layers", form="count", unit="examples", number=2, since=2),
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
                "Fraction of units whose activation function is almost flat where they are, "
                "averaged over the examples.",
                lambda record, path: record.saturated_units[path],
            ),
        ),
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
                "Fraction of units that were zero on every example of the last records, up to ten "
                "of them.",
                lambda record, path: record.dead_units[path],
            ),
        ),
    ),
    Quantity(
        name="dead_unit_examples", of="layers", form="count", unit="examples", number=5, since=2
    ),
)
"""Every quantity, in the order in which TensorBoard and tables show them."""

SKETCHES = tuple(q for q in QUANTITIES if q.form == "sketch")
"""Those that are sketches of tensors."""

NUMBERS = tuple(q for q in QUANTITIES if q.form != "sketch" and q.number is not None)
"""The stored ones that are numbers by path."""

BY_NAME = {quantity.name: quantity for quantity in QUANTITIES}

CHARTS = {chart.tag: (quantity, chart) for quantity in QUANTITIES for chart in quantity.charts}
"""The charts, and the quantities that they show, by tag."""
