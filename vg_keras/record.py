"""What is measured: the records of single steps, and the model that they speak of.

One of the two contracts between the half that measures and the half that reads (the other is
`metadata.py`): a rule or a figure sees these and cannot tell a running training from last year's
log. Plain frozen data, NumPy alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from vg_keras.sketch.sketch import Sketch


@dataclass(frozen=True)
class Record:
    """What was measured at one training step.

    Each mapping goes by path, that of a variable (`sequential/dense_3/kernel`) or of a layer
    (`sequential/dense_3`), in the order in which the forward pass calls the layers. One is empty
    where its kind was not measured.

    Args:
        step: The number of the train step. The gradient at step t belongs to the weights before
            its update. The first step is 0, or in resumed training what the optimizer has counted.
        wall_time: When it was measured, in seconds since 1970.
        gradients: For each variable the sketch of its gradient: that of the whole batch, as the
            optimizer is handed it, before its clipping and without loss scale.
        without_gradient: Paths of the variables to which the loss has no connection: the optimizer
            was given None for them.
        loss_gradients: For each variable with a regularizer of its own the sketch of the gradient
            of the rest of the loss. That of any other variable is its gradient; see
            `loss_gradient`.
        regularization_gradients: For the same variables the sketch of what the regularizer adds.
        update_norms: For each variable the L2 norm of new minus old value: what the optimizer
            really did, with clipping, weight decay, averaging and constraints.
        weight_norms: For each variable the L2 norm of its value before the update.
        weights: For each variable the sketch of its value before the update.
        first_moments: For each variable the sketch of what the optimizer keeps as its momentum,
            after the update that it made.
        second_moments: The same of what it keeps as the velocity: of Adam and RMSprop, the running
            mean of the squared gradient.
        activations: For each layer the sketch of its output, of the first one if it has several.
        activation_gradients: For each layer the sketch of dL/d(output), where L is the loss that
            trains: the mean over the batch, for Keras's own losses. Where Keras computes the loss
            from the logits of a softmax or sigmoid output, it is dL/d(logits) for that layer.
        examples: For each layer the number of examples in the batch that its output holds.
        saturated_units: For each layer whose activation saturates, the fraction of units that are
            saturated, averaged over the examples; see `vg_keras.statistics.saturation`.
        dead_units: For each rectifying layer the fraction of units that were zero on every example
            of this record and of those before it, up to ten altogether. Absent at the first record.
        dead_unit_examples: For the same layers the number of these examples.
    """

    step: int
    wall_time: float
    gradients: Mapping[str, Sketch]
    without_gradient: tuple[str, ...] = ()
    loss_gradients: Mapping[str, Sketch] = field(default_factory=dict)
    regularization_gradients: Mapping[str, Sketch] = field(default_factory=dict)
    update_norms: Mapping[str, float] = field(default_factory=dict)
    weight_norms: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, Sketch] = field(default_factory=dict)
    first_moments: Mapping[str, Sketch] = field(default_factory=dict)
    second_moments: Mapping[str, Sketch] = field(default_factory=dict)
    activations: Mapping[str, Sketch] = field(default_factory=dict)
    activation_gradients: Mapping[str, Sketch] = field(default_factory=dict)
    examples: Mapping[str, int] = field(default_factory=dict)
    saturated_units: Mapping[str, float] = field(default_factory=dict)
    dead_units: Mapping[str, float] = field(default_factory=dict)
    dead_unit_examples: Mapping[str, int] = field(default_factory=dict)

    def loss_gradient(self, path: str) -> Sketch:
        """Returns the sketch of a variable's gradient without what its regularizer adds.

        References:
            He et al., Delving Deep into Rectifiers, ICCV 2015, footnote 2: under weight decay the
            gradient does not vanish when the loss's does.
        """
        return self.loss_gradients.get(path) or self.gradients[path]

    @property
    def global_gradient_norm(self) -> float:
        """The L2 norm of the gradients of all monitored variables together.

        That is what clipping by the global norm compares with its limit, where all variables are
        monitored. NaN where any number is not finite, or there are no gradients.
        """
        if not self.gradients or any(gradient.nonfinite for gradient in self.gradients.values()):
            return math.nan
        return math.hypot(*(gradient.norm for gradient in self.gradients.values()))

    def update_ratio(self, path: str) -> float:
        """Returns ||w_after - w_before|| / ||w_before|| of a variable.

        About 1e-3 is healthy, says A. Karpathy, CS231n course notes, "Ratio of weights:updates".

        Returns:
            Infinity for a variable that was zero and was moved, as a bias is in the first step, and
            NaN for one that was zero and stayed.
        """
        update, weight = self.update_norms[path], self.weight_norms[path]
        if weight:
            return update / weight
        return math.inf if update else math.nan

    def activation_gradient_rms_per_example(self, path: str) -> float:
        """Returns the root mean square of d(loss of one example)/d(output) at a layer.

        The mean over a batch of B examples makes every dL/d(output) B times smaller. This takes
        that out, so that trainings with different batch sizes can be compared.
        """
        return self.activation_gradients[path].rms * self.examples[path]


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
    """A layer that owns monitored variables or whose output is monitored.

    Args:
        path: Its tag: the Keras `layer.path`, made unique where two layers share one.
        type: Its class name.
        activation: The name of its activation function, or None where it has none.
        variables: Its own monitored variables.
        output_shape: The shape of its output with None for a size that varies, or None where its
            output is not monitored.
    """

    path: str
    type: str
    activation: str | None
    variables: tuple[VariableDescription, ...]
    output_shape: tuple[int | None, ...] | None = None


@dataclass(frozen=True)
class ModelDescription:
    """The monitored model, as the log describes it once.

    Args:
        name: The Keras `model.name`.
        layers: The layers that are monitored, in the order in which the forward pass first calls
            them. Where activations are not monitored that is known for Sequential and functional
            models alone; the layers of others are in the order of construction.
        versions: The versions of the packages that measured, by name.
    """

    name: str
    layers: tuple[LayerDescription, ...]
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> tuple[str, ...]:
        """The paths of all monitored variables, layer by layer."""
        return tuple(variable.path for layer in self.layers for variable in layer.variables)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The paths of all layers whose output is monitored."""
        return tuple(layer.path for layer in self.layers if layer.output_shape is not None)
