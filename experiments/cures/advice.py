"""What each advice of the rules means for the settings of a network.

Advice to look for something removes it, if it is there. A test checks that every text that
`vg_keras/rules` can give is here, and no other.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from experiments.cures.settings import Settings

Change = Callable[[Settings, str], Settings]
"""Takes the settings and the text of the advice, whose numbers and names it may contain."""

_FITTING = {"relu": "he_normal", "leaky_relu": "he_normal"}
"""The initializer that fits an activation; glorot_uniform fits the others."""
_EPSILON = 1e-7
_ROOT_OFFSET = 1.1


def apply(advice: str, settings: Settings) -> Settings:
    """Returns the settings with an advice applied.

    Raises:
        KeyError: If the advice is unknown.
    """
    return CHANGES[pattern_of(advice)](settings, advice)


def pattern_of(advice: str) -> str:
    """Returns the key of `CHANGES` that an advice matches.

    Raises:
        KeyError: If the advice is unknown.
    """
    for pattern in CHANGES:
        if pattern == advice or (pattern in _PATTERNS and re.fullmatch(pattern, advice)):
            return pattern
    raise KeyError(advice)


def in_general(advice: str) -> str:
    """Returns an advice with "..." in place of its numbers and names."""
    return re.sub(r"\\d\+e\[\+-\]\\d\+|\\w\+", "...", pattern_of(advice)).replace("\\", "")


def _set(**changed: Any) -> Change:
    """Returns a change of settings to fixed values."""
    return lambda settings, _: replace(settings, **changed)


def _unchanged(settings: Settings, _: str) -> Settings:
    """Leaves all as it is: there is nothing to find in these networks, or the advice gives up."""
    return settings


def _initializer(settings: Settings, advice: str) -> Settings:
    (name,) = re.findall(r"'(\w+)'", advice)
    return replace(settings, initializer=name)


def _fitting_initializer(settings: Settings, _: str) -> Settings:
    fitting = _FITTING.get(settings.activation, "glorot_uniform")
    return replace(settings, initializer=fitting, recurrent_initializer="orthogonal")


def _lower_rate(settings: Settings, _: str) -> Settings:
    return replace(settings, rate=min(settings.rate / 10, 0.01))


def _raise_rate(settings: Settings, advice: str) -> Settings:
    (factor,) = re.findall(r"\d+e[+-]\d+", advice)
    return replace(settings, rate=settings.rate * float(factor))


def _lower_decay(settings: Settings, _: str) -> Settings:
    decay, l2 = settings.weight_decay, settings.l2
    return replace(settings, weight_decay=min(decay, 0.004), l2=min(l2, 1e-4))


def _mend_loss(settings: Settings, _: str) -> Settings:
    return settings if settings.epsilon is None else replace(settings, epsilon=_EPSILON)


def _mend_layer(settings: Settings, _: str) -> Settings:
    return settings if settings.root_offset is None else replace(settings, root_offset=_ROOT_OFFSET)


def _check(settings: Settings, advice: str) -> Settings:
    return replace(_mend_loss(settings, advice), spoiled="")


_FITS = r"Use kernel_initializer='\w+', which fits \w+\."
_RAISE = r"Raise the learning rate by a factor of about \d+e[+-]\d+\."
_PATTERNS = (_FITS, _RAISE)

CHANGES: Mapping[str, Change] = {
    # The signal
    "Use ReLU with he_normal, or tanh with glorot_uniform.": _set(
        activation="relu", initializer="he_normal"
    ),
    _FITS: _initializer,
    "Use an initializer that fits: he_normal for ReLU, glorot_uniform for tanh, orthogonal for "
    "recurrent weights.": _fitting_initializer,
    "Add BatchNormalization or LayerNormalization between the layers.": _set(normalization=True),
    "Add residual connections around every one or two layers.": _set(residual=True),
    # The size of updates
    "Lower the learning rate by a factor of ten, and to no more than 0.01.": _lower_rate,
    _RAISE: _raise_rate,
    "Raise the learning rate, for example by a factor of 100.": lambda settings, _: replace(
        settings, rate=100 * settings.rate
    ),
    "Warm the learning rate up from zero over the first steps.": _set(warm_up=100),
    "Check whether a schedule keeps the learning rate near zero.": _set(warm_up=0),
    "Check whether the loss is scaled down, for example by a mean over the wrong axis.": _set(
        loss_scale=1.0
    ),
    "Clip the gradient: `clipnorm=1.0` in the optimizer.": _set(clipnorm=1.0),
    "Lower the weight decay of the optimizer to about 0.004, or the factor of the regularizer to "
    "about 1e-4.": _lower_decay,
    "Find out why the loss's gradient vanishes in these layers: the regularizer hides it.": (
        _unchanged
    ),
    # Units
    "Use LeakyReLU, ELU or GELU, whose units recover.": _set(activation="leaky_relu"),
    "Start from he_normal weights and zero biases, and standardize the inputs.": _set(
        initializer="he_normal", bias=0.0, inputs="standard"
    ),
    "Standardize the inputs to mean 0 and standard deviation 1, and start from glorot_uniform "
    "weights.": _set(initializer="glorot_uniform", inputs="standard"),
    "Add BatchNormalization before the activation.": _set(normalization=True),
    "Use a random initializer for the kernel, such as glorot_uniform or he_normal.": _set(
        initializer="glorot_uniform"
    ),
    "If the weights were loaded or set, check that they are the trained ones.": _unchanged,
    "Connect the layer to the loss: look for an output that is not used, or `stop_gradient`.": (
        _set(block="")
    ),
    "If it is not to be trained, set `trainable = False`.": _unchanged,
    # NaN and infinity
    "Check the data for NaN and infinity, and the loss for a logarithm, a division or a square "
    "root of zero.": _check,
    "Look for NaN and infinity in the arrays or the dataset that `fit` gets.": _set(spoiled=""),
    "Look at the preprocessing for a division by zero, such as a standard deviation of 0.": (
        _unchanged
    ),
    "Look at the loss for a logarithm, a division or a square root of zero or less.": _mend_loss,
    "Check the targets for NaN, and that they have the form that the loss expects.": _set(
        spoiled=""
    ),
    "Look at the layer for a logarithm, a division or a square root of zero or less.": _mend_layer,
    "Scale inputs and targets to about 1.": _set(
        inputs="standard", target_shift=0.0, target_scale=1.0
    ),
}
"""What changes in the settings, by advice: its text, or a pattern of those in `_PATTERNS`."""
