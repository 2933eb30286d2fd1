"""The planted faults: a healthy network, and what is changed in it to make it sick."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from experiments.cures.settings import Settings


@dataclass(frozen=True)
class Sickness:
    """A planted fault.

    Args:
        code: The rule that describes it.
        name: The fault in words.
        healthy: The network without it, its twin.
        fault: The settings that are changed.
    """

    code: str
    name: str
    healthy: Settings
    fault: dict[str, Any] = field(default_factory=dict)

    def sick(self, seed: int) -> Settings:
        """Returns the settings with the fault."""
        return replace(self.twin(seed), **self.fault)

    def twin(self, seed: int) -> Settings:
        """Returns the settings without the fault."""
        return replace(self.healthy, seed=seed)


_RELU = Settings(rate=0.003)
_TANH = Settings(activation="tanh", initializer="glorot_uniform", depth=3)
_TANH_SGD = replace(_TANH, optimizer="sgd", rate=0.05)
_DEEP_TANH = replace(_TANH, depth=10, rate=0.003)
_SHALLOW_SIGMOID = replace(_TANH, activation="sigmoid", depth=2, rate=0.03)
_LOG = replace(_RELU, rate=0.1, epsilon=1e-7)
_MOMENTUM = Settings(optimizer="sgd", rate=0.05)
_CURVE = Settings("curve", optimizer="sgd", rate=0.02)
_LINEAR = Settings("slope", depth=10, activation="linear", initializer="glorot_uniform", rate=0.003)
_RNN = Settings("sums", 1, 16, "linear", "glorot_uniform", rate=0.003)
_GLOROT = {"initializer": "glorot_uniform"}
_SIGMOID = {"activation": "sigmoid", **_GLOROT}


def _of(code: str, *faults: tuple[str, Settings, dict[str, Any]]) -> list[Sickness]:
    return [Sickness(code, *fault) for fault in faults]


SICKNESSES: Sequence[Sickness] = (
    *_of(
        "VG101",
        ("sigmoid, 8 layers, Adam", replace(_RELU, depth=8), _SIGMOID),
        ("sigmoid, 8 layers, SGD", replace(_MOMENTUM, depth=8), _SIGMOID),
        ("tanh, 10 layers, small weights", _DEEP_TANH, {"initializer": 0.02}),
        ("tanh, 8 layers, small weights, SGD", replace(_TANH_SGD, depth=8), {"initializer": 0.05}),
        ("ReLU, 8 layers, small weights, SGD", replace(_MOMENTUM, depth=8), {"initializer": 0.03}),
        (
            "ReLU, 20 layers, glorot_uniform, SGD",
            replace(_MOMENTUM, depth=20, rate=0.01),
            _GLOROT,
        ),
    ),
    *_of(
        "VG102",
        ("linear, 10 layers, large weights", _LINEAR, {"initializer": 1.0}),
        ("ReLU, 8 layers, large weights", replace(_RELU, depth=8), {"initializer": 2.0}),
        ("ReLU, 8 layers, large weights, SGD", replace(_MOMENTUM, depth=8), {"initializer": 1.5}),
        ("SimpleRNN, large recurrent weights", _RNN, {"recurrent_initializer": 0.5}),
        ("SimpleRNN, very large recurrent weights", _RNN, {"recurrent_initializer": 1.0}),
        ("regression, learning rate of 5", _CURVE, {"rate": 5.0}),
        ("regression, learning rate of 1", _CURVE, {"rate": 1.0}),
    ),
    *_of(
        "VG103",
        ("L2 of 1", replace(_RELU, rate=0.01), {"l2": 1.0}),
        ("L2 of 1, 4 layers", replace(_RELU, rate=0.01, depth=4), {"l2": 1.0}),
        ("L2 of 1e-3, sigmoid, 6 layers", replace(_RELU, depth=6, l2=1e-3), _SIGMOID),
        ("weight decay of 33", replace(_RELU, weight_decay=0.004), {"weight_decay": 33.0}),
        ("weight decay of 100, 4 layers", replace(_RELU, depth=4), {"weight_decay": 100.0}),
    ),
    *_of(
        "VG201",
        ("bias of -10", _RELU, {"bias": -10.0}),
        ("bias of -5, 4 layers", replace(_RELU, depth=4), {"bias": -5.0}),
        ("bias of -10, SGD", _MOMENTUM, {"bias": -10.0}),
        ("one huge step", replace(_CURVE, target_shift=3.0), {"spike": 100.0}),
        ("rate too large, targets about 3", replace(_CURVE, target_shift=3.0), {"rate": 0.3}),
    ),
    *_of(
        "VG202",
        ("tanh, inputs from 0 to 255", _TANH, {"inputs": "grayscale"}),
        ("sigmoid, inputs from 0 to 255", _SHALLOW_SIGMOID, {"inputs": "grayscale"}),
        ("tanh, weights of 10", _TANH, {"initializer": 10.0}),
        ("tanh, weights of 10, SGD", _TANH_SGD, {"initializer": 10.0}),
        ("tanh, learning rate of 3", _TANH, {"rate": 3.0}),
    ),
    *_of(
        "VG301",
        ("NaN in the inputs", _CURVE, {"spoiled": "inputs"}),
        ("NaN in the targets", _CURVE, {"spoiled": "targets"}),
        ("infinity in the targets", _RELU, {"spoiled": "targets", "spoiled_by": "inf"}),
        ("logarithm of zero", _LOG, {"epsilon": 0.0}),
        ("logarithm of zero, 4 layers", replace(_LOG, depth=4, rate=0.03), {"epsilon": 0.0}),
        ("root of negative values", replace(_TANH, root_offset=1.1), {"root_offset": 0.9}),
        ("learning rate of 20", _CURVE, {"rate": 20.0}),
        ("targets of 200,000", _CURVE, {"target_scale": 2e5}),
    ),
    *_of(
        "VG401",
        ("learning rate of 1e-9, Adam", _RELU, {"rate": 1e-9}),
        ("learning rate of 1e-7, Adam", _RELU, {"rate": 1e-7}),
        ("learning rate of 1e-9, SGD", _MOMENTUM, {"rate": 1e-9}),
        ("learning rate of 1e-8, SGD, regression", _CURVE, {"rate": 1e-8}),
        ("warm-up of 1e7 steps", _RELU, {"warm_up": 10**7}),
        ("loss times 1e-6, SGD", _MOMENTUM, {"loss_scale": 1e-6}),
    ),
    *_of(
        "VG402",
        ("learning rate of 3, Adam", _RELU, {"rate": 3.0}),
        ("learning rate of 1, Adam, 4 layers", replace(_RELU, depth=4), {"rate": 1.0}),
        ("learning rate of 1, Adam, tanh", _TANH, {"rate": 1.0}),
        ("learning rate of 10, SGD", _MOMENTUM, {"rate": 10.0}),
        ("learning rate of 3, SGD, 4 layers", replace(_MOMENTUM, depth=4), {"rate": 3.0}),
    ),
    *_of(
        "VG501",
        ("stop_gradient, Adam", _RELU, {"block": "stop_gradient"}),
        ("stop_gradient, SGD", _MOMENTUM, {"block": "stop_gradient"}),
        ("rounding, Adam", _RELU, {"block": "round"}),
    ),
    *_of(
        "VG502",
        ("weights of zero", _RELU, {"initializer": "zeros"}),
        ("weights of one", _RELU, {"initializer": "ones"}),
        ("weights of zero, SGD, tanh", _TANH_SGD, {"initializer": "zeros"}),
        ("weights of one, tanh", _TANH, {"initializer": "ones"}),
    ),
)
"""All planted faults, by the code of their rule."""
