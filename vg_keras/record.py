"""The measured data: the record of one step, a training run of many, and the runs of a log.

One of the two interfaces between measuring and reading (the other is `log/format.py`): a rule or a
figure takes a `Training`, which is the same for a running `fit` and for last year's log. Plain
frozen data. Imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vg_keras.cost import Cost
from vg_keras.sketch.sketch import Sketch

if TYPE_CHECKING:
    import pandas as pd

    from vg_keras.rules.verdict import Verdict


Value = TypeVar("Value")


class ByPath(dict[str, Value]):
    """Values by the path of a variable or layer. A missing path raises an error that lists them."""

    def __missing__(self, path: str) -> Value:
        """Raises the error."""
        similar = difflib.get_close_matches(str(path), self, 3)
        paths = ", ".join(similar or list(self)[:10]) or "none"
        more = f" and {len(self) - 10} more" if len(self) > 10 and not similar else ""
        which = "Similar paths" if similar else "Recorded paths"
        raise MissingPathError(f"{path!r} is not a recorded path. {which}: {paths}{more}.")


class MissingPathError(KeyError):
    """A path of which nothing was recorded."""

    def __str__(self) -> str:
        """Returns the message, which `KeyError` would put in quotes."""
        return str(self.args[0])


@dataclass(frozen=True, eq=False, repr=False)
class Record:
    """Everything measured at one train step.

    Each mapping is keyed by the path of a variable (`sequential/dense_3/kernel`) or of a layer
    (`sequential/dense_3`), in the order in which the forward pass calls the layers. A mapping is
    empty if its quantity was not measured.

    Args:
        step: The number of the train step. The gradient at step t belongs to the weights before
            its update. The first step is 0, or the optimizer's step count if training is resumed.
        wall_time: When the step was measured, in seconds since 1970.
        gradients: For each variable, the sketch of its gradient: that of the whole batch, as passed
            to the optimizer, before its clipping and without loss scale.
        without_gradient: Paths of the variables that the loss does not depend on: the optimizer
            received None for them.
        data_loss_gradients: For each variable with its own regularizer, the sketch of the gradient
            of the loss without that regularizer. For any other variable this is the gradient
            itself; see `data_loss_gradient`.
        regularization_gradients: For the same variables, the sketch of what the regularizer adds.
        update_norms: For each variable, the L2 norm of new minus old value: the actual update,
            including clipping, weight decay, averaging and constraints.
        weight_norms: For each variable, the L2 norm of its value before the update.
        weights: For each variable, the sketch of its value before the update.
        first_moments: For each variable, the sketch of the optimizer's momentum after the update.
        second_moments: For each variable, the sketch of the optimizer's velocity after the update:
            for Adam and RMSprop, the running mean of the squared gradient.
        activations: For each layer, the sketch of its output (the first one if it has several).
        activation_gradients: For each layer, the sketch of dL/d(output), where L is the training
            loss: for Keras's own losses, the mean over the batch. If Keras computes the loss from
            the logits of a softmax or sigmoid output, it is dL/d(logits) for that layer.
        examples: For each layer, the number of examples in the batch of its output.
        saturated_units: For each layer whose activation saturates, the fraction of saturated units,
            averaged over the examples; see `vg_keras.activations`.
        dead_units: For each layer with a rectifier, the fraction of units that were zero on every
            example of this record and the previous ones, up to ten in all. Absent at the first
            record.
        dead_unit_examples: For the same layers, the number of these examples.
        loss: The loss that was differentiated, without loss scale: for Keras's own losses, the mean
            over the batch, with penalties. The sum of all of them if the step differentiates
            several, as in a GAN. None if it could not be observed.
        nonfinite_data: How many floating-point numbers of the batch that `fit` passed to
            `train_step` (inputs, targets and sample weights) are NaN or infinite. None outside of
            `fit`, where the data is not known.
        unit_spread: For each kernel, how much its units differ: the L2 norm of the kernel minus its
            mean over the units, divided by the L2 norm of the kernel. 0 if all units of the layer
            are alike. Read after the update, and only at the first records of a training run.
    """

    step: int
    wall_time: float
    gradients: Mapping[str, Sketch]
    without_gradient: tuple[str, ...] = ()
    data_loss_gradients: Mapping[str, Sketch] = field(default_factory=dict)
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
    loss: float | None = None
    nonfinite_data: int | None = None
    unit_spread: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Makes every mapping list its paths if one is missing."""
        for name, value in vars(self).items():
            if type(value) is dict:
                object.__setattr__(self, name, ByPath(value))

    def __repr__(self) -> str:
        """Returns the step and how much was recorded."""
        norm = f"global gradient norm {self.global_gradient_norm:.3g}"
        numbers = f"{len(self.gradients)} variables, {len(self.activations)} layers"
        return f"<Record of step {self.step}: {numbers}, {norm}>"

    def __eq__(self, other: object) -> bool:
        """Whether all numbers are equal, with NaN equal to NaN."""
        if not isinstance(other, Record):
            return NotImplemented
        names = [f.name for f in dataclasses.fields(self)]
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

    def __hash__(self) -> int:
        """Returns a hash consistent with `==`."""
        return hash((self.step, self.wall_time))

    def data_loss_gradient(self, path: str) -> Sketch:
        """Returns the sketch of a variable's gradient without what its regularizer adds.

        References:
            He et al., Delving Deep into Rectifiers, ICCV 2015, footnote 2: with weight decay, the
            gradient does not vanish even if the gradient of the data loss does.
        """
        return self.data_loss_gradients.get(path) or self.gradients[path]

    @property
    def global_gradient_norm(self) -> float:
        """The L2 norm of the gradients of all monitored variables together.

        If all variables are monitored, this is the norm that clipping by global norm limits. NaN if
        any element is not finite, or if there are no gradients.
        """
        if not self.gradients:
            return math.nan
        return math.hypot(*(gradient.norm for gradient in self.gradients.values()))

    def update_ratio(self, path: str) -> float:
        """Returns ||w_after - w_before|| / ||w_before|| of a variable.

        About 1e-3 is healthy.

        Returns:
            The ratio; NaN if it is not finite, or not defined; see `has_update_ratio`.

        References:
            A. Karpathy, CS231n course notes, "Ratio of weights:updates".
        """
        update, weight = self.update_norms[path], self.weight_norms[path]
        ratio = update / weight if weight else math.nan
        return ratio if math.isfinite(ratio) else math.nan

    def has_update_ratio(self, path: str) -> bool:
        """Whether the update ratio of a variable was recorded and is defined.

        It is not defined if the variable was zero, as biases are before the first step.
        """
        if path not in self.update_norms:
            return False
        return self.weight_norms[path] != 0 or not math.isfinite(self.update_norms[path])

    def activation_gradient_rms_per_example(self, path: str) -> float:
        """Returns the root mean square of d(loss of one example)/d(output) at a layer.

        The mean over a batch of B examples makes every dL/d(output) B times smaller. This value is
        multiplied by B, so that training runs with different batch sizes can be compared.
        """
        return self.activation_gradients[path].rms * self.examples[path]


@dataclass(frozen=True)
class VariableDescription:
    """A monitored variable.

    Args:
        path: The Keras `variable.path`, made unique if two variables share one.
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
        path: The Keras `layer.path`, made unique if two layers share one.
        type: Its class name.
        activation: The name of its activation function, or None if it has none.
        variables: The monitored variables that it owns.
        output_shape: The shape of its output, with None for a dimension that varies, or None if its
            output is not monitored.
        kernel_initializer: The initializer of its kernel as Keras serializes it, or None if it has
            none.
        bias_initializer: The same for its bias.
    """

    path: str
    type: str
    activation: str | None
    variables: tuple[VariableDescription, ...]
    output_shape: tuple[int | None, ...] | None = None
    kernel_initializer: Mapping[str, Any] | None = None
    bias_initializer: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ModelDescription:
    """The monitored model.

    Args:
        name: The Keras `model.name`.
        layers: The monitored layers, in the order in which the forward pass first calls them. If
            activations are not monitored, this order is known only for Sequential and functional
            models; the layers of other models are in the order of construction.
    """

    name: str
    layers: tuple[LayerDescription, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The paths of all monitored variables, layer by layer."""
        return tuple(variable.path for layer in self.layers for variable in layer.variables)

    @property
    def kernels(self) -> tuple[str, ...]:
        """The paths of the variables with two or more axes, except biases: kernels and embeddings.

        The bias of a GRU has two axes. Biases and scales start at zero or one, so their gradients
        and updates say less.
        """
        variables = [variable for layer in self.layers for variable in layer.variables]
        return tuple(v.path for v in variables if len(v.shape) > 1 and not v.path.endswith("bias"))

    @property
    def layer_of(self) -> dict[str, str]:
        """The path of the layer that each variable, or each layer itself, belongs to, by path."""
        layers = {layer.path: layer.path for layer in self.layers}
        return layers | {v.path: layer.path for layer in self.layers for v in layer.variables}

    def layers_of(self, paths: Iterable[str]) -> frozenset[str]:
        """Returns the layers of variables and layers; a path that the model lacks stays."""
        layer_of = self.layer_of
        return frozenset(layer_of.get(path, path) for path in paths)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The paths of all layers whose output is monitored."""
        return tuple(layer.path for layer in self.layers if layer.output_shape is not None)


@dataclass(frozen=True)
class OptimizerDescription:
    """An optimizer of a training run.

    Args:
        type: Its class name.
        learning_rate: The learning rate when the run began, or None if it is not a number.
        config: The result of its `get_config`, as far as it is JSON-serializable.
    """

    type: str
    learning_rate: float | None
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """The settings of a training run. Logs of format versions 1 and 2 hold only `versions`.

    Args:
        optimizers: The optimizers.
        loss: The name of the loss that the model was compiled with, or the names of several. None
            if there is none, as in a custom training loop.
        batch_size: Number of examples in the batch of the first recorded step, over all replicas,
            or None if no activations are monitored.
        update_freq: The argument `update_freq` of `GradientMonitor`.
        quantities: The names of the recorded quantities; see `vg_keras.quantities`.
        versions: The versions of the packages in use, by package name.
    """

    optimizers: tuple[OptimizerDescription, ...] = ()
    loss: str | None = None
    batch_size: int | None = None
    update_freq: int | str | None = None
    quantities: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """One training run: one `fit`, or one custom training loop, of one model.

    Args:
        id: The id of the run: the UTC time at which it began and random digits. A probe's run has
            the id of the training run that it belongs to.
        began: When it began, in seconds since 1970.
        model: The model.
        settings: The settings.
        records: The records, with ascending steps.
        resumed_from: The first step if the optimizer had made steps before, in another `fit` or
            before it was restored from a backup; None otherwise. If an earlier run of the model has
            records from this step on, they describe weights that were discarded.
        cost: The cost of recording when the run ended, over all training runs of the model with the
            same monitor. None if it has not ended.
        verdict: What the monitor's rules said of the run when it ended, or so far: in a log, when
            a problem was found or the number of records had tripled. None if no rules were applied,
            as to a probe. Not compared by `==`.
    """

    id: str
    began: float
    model: ModelDescription
    settings: Settings = Settings()
    records: tuple[Record, ...] = ()
    resumed_from: int | None = None
    cost: Cost | None = None
    verdict: Verdict | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        """Returns the id, the model, and how much was recorded."""
        number = f"{len(self.records)} record{'' if len(self.records) == 1 else 's'}"
        steps = sorted({record.step for record in (*self.records[:1], *self.records[-1:])})
        of_steps = f", step {' to '.join(map(str, steps))}" if steps else ""
        return f"<Training {self.id} of {self.model.name!r}: {number}{of_steps}>"

    @property
    def is_unfinished(self) -> bool:
        """Whether it is known not to have ended: it goes on, or was interrupted.

        The end of the training run of a probe, or of a log of format version 1 or 2, is not known.
        """
        return self.verdict is not None and self.cost is None

    def to_pandas(self) -> pd.DataFrame:
        """Returns the records as a table; see `vg_keras.tables.to_pandas`."""
        from vg_keras.tables import to_pandas

        return to_pandas(self.records)


@dataclass(frozen=True)
class Run:
    """The training runs in a log directory, or of a monitor.

    Args:
        path: The directory or file of the log: a string if it is remote, None if the monitor writes
            no log.
        trainings: The training runs, in the order in which they began.
        damage: One sentence for each part that could not be read. An incomplete last event, as in a
            file that is still being written, is not damage.
    """

    path: Path | str | None
    trainings: tuple[Training, ...]
    damage: tuple[str, ...] = ()

    @property
    def latest(self) -> Training:
        """The training run that began last.

        Raises:
            LookupError: If there is no training run.
        """
        if not self.trainings:
            raise LookupError(f"No training run has been recorded yet. Received: path={self.path}.")
        return self.trainings[-1]

    def __repr__(self) -> str:
        """Returns a list of the training runs."""
        number = len(self.trainings)
        lines = [f"<Run {self.path}: {number} training run{'' if number == 1 else 's'}"]
        lines += [*map(repr, self.trainings), *(f"damage: {place}" for place in self.damage)]
        return "\n  ".join(lines) + ">"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(v, other[k]) for k, v in one.items())
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)
