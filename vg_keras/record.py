"""What is measured: the records of single steps, and the model that they speak of.

One of the two contracts between the half that measures and the half that reads (the other is
`metadata.py`): a rule or a figure sees these and cannot tell a running training from last year's
log. Plain frozen data, NumPy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vg_keras.statistics.sketch import Sketch


@dataclass(frozen=True)
class Record:
    """What was measured at one training step.

    Args:
        step: `optimizer.iterations` before the update: the gradient at step t belongs to the
            weights w_t, and the first step is 0.
        wall_time: When it was measured, in seconds since 1970.
        gradients: For each variable, by its path (`dense_3/kernel`) and in the order in which the
            model lists them, the sketch of its gradient: that of the whole batch, before clipping
            and without loss scale.
        without_gradient: Paths of the variables to which the loss has no connection: the optimizer
            was given None for them.
    """

    step: int
    wall_time: float
    gradients: Mapping[str, Sketch]
    without_gradient: tuple[str, ...] = ()


@dataclass(frozen=True)
class VariableDescription:
    """A monitored variable.

    Args:
        path: Its tag: the Keras `variable.path`, made unique where two variables share one.
        shape: Its shape.
        dtype: The name of its dtype.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class LayerDescription:
    """A layer that owns monitored variables.

    Args:
        path: The Keras `layer.path`.
        type: Its class name.
        activation: The name of its activation function, or None where it has none.
        variables: Its own monitored variables.
    """

    path: str
    type: str
    activation: str | None
    variables: tuple[VariableDescription, ...]


@dataclass(frozen=True)
class ModelDescription:
    """The monitored model, as the log describes it once.

    Args:
        name: The Keras `model.name`.
        layers: The layers that own monitored variables, in the order of the forward pass as far as
            `model.layers` tells it: exactly for Sequential and functional models, in the order of
            construction for others.
        versions: The versions of the packages that measured, by name.
    """

    name: str
    layers: tuple[LayerDescription, ...]
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> tuple[str, ...]:
        """The paths of all monitored variables, layer by layer."""
        return tuple(variable.path for layer in self.layers for variable in layer.variables)
