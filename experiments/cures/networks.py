"""Builds and compiles the network that settings describe."""

from typing import Any

import keras
from keras import layers, ops

from experiments.cures.settings import Initializer, Settings
from experiments.cures.tasks import examples

_SPIKE = 20
"""The step in which the learning rate is multiplied by `Settings.spike`."""


def build(settings: Settings) -> keras.Model:
    """Returns the compiled network."""
    inputs = values = keras.Input(examples(settings)[0].shape[1:])
    for number in range(settings.depth):
        before, values = values, _hidden(settings, f"hidden_{number + 1}", values)
        if settings.residual and number > 0:
            values = layers.Add()([before, values])
        if number == 0:
            values = _after_first(settings, values)
    last = None if settings.epsilon is None else "sigmoid"
    model = keras.Model(inputs, layers.Dense(1, last, name="output")(values))
    model.compile(_optimizer(settings), _loss(settings), jit_compile=False)
    return model


def _hidden(settings: Settings, name: str, values: Any) -> Any:
    how: dict[str, Any] = {
        "kernel_initializer": _initializer(settings.initializer),
        "bias_initializer": keras.initializers.Constant(settings.bias),
        "kernel_regularizer": keras.regularizers.L2(settings.l2) if settings.l2 else None,
        "name": name,
    }
    if settings.is_recurrent:
        recurrent = _initializer(settings.recurrent_initializer)
        return layers.SimpleRNN(
            settings.width, settings.activation, recurrent_initializer=recurrent, **how
        )(values)
    if not settings.normalization:
        return layers.Dense(settings.width, settings.activation, **how)(values)
    values = layers.BatchNormalization()(layers.Dense(settings.width, **how)(values))
    return layers.Activation(settings.activation)(values)


def _initializer(chosen: Initializer) -> keras.Initializer:
    """Returns a new initializer: the same object would draw the same weights for every layer."""
    if isinstance(chosen, str):
        return keras.initializers.get(chosen)
    return keras.initializers.RandomNormal(stddev=chosen)


def _after_first(settings: Settings, values: Any) -> Any:
    if settings.block == "stop_gradient":
        values = ops.stop_gradient(values)
    elif settings.block == "round":
        values = ops.round(values)
    if settings.root_offset is not None:
        values = ops.sqrt(values + settings.root_offset)
    return values


class _Rate(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises from zero, and has a spike."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step."""
        s, step = self._settings, ops.cast(step, "float32")
        risen = ops.minimum((step + 1) / max(s.warm_up, 1), 1.0)
        return s.rate * risen * ops.where(step == _SPIKE, s.spike, 1.0)


def _optimizer(settings: Settings) -> keras.optimizers.Optimizer:
    how: dict[str, Any] = {
        "clipnorm": settings.clipnorm,
        "weight_decay": settings.weight_decay or None,
    }
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(_Rate(settings), **how)
    return keras.optimizers.SGD(_Rate(settings), momentum=0.9, **how)


def _loss(settings: Settings) -> Any:
    """Returns the loss, times the factor that the settings ask for."""

    def cross_entropy(y: Any, p: Any) -> Any:
        log_p, log_q = ops.log(p + settings.epsilon), ops.log(1 - p + settings.epsilon)
        return -ops.mean(y * log_p + (1 - y) * log_q, -1)

    inner: Any = cross_entropy
    if settings.epsilon is None:
        is_classification = settings.is_classification
        inner = (
            keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)
            if is_classification
            else keras.losses.MeanSquaredError(reduction=None)
        )

    def loss(y: Any, predicted: Any) -> Any:
        return settings.loss_scale * inner(y, predicted)

    return loss
