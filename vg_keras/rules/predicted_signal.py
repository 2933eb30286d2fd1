"""What mean-field theory predicted for the signal of a model before its first step.

A witness for the rules on vanishing and exploding gradients: they name the activation or the
initializer as the cause only if the prediction agrees with the measurement.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from vg_keras.record import LayerDescription, ModelDescription
from vg_keras.rules.rule import Finding
from vg_keras.rules.signal_by_depth import SignalByDepth
from vg_keras.theory import predict

_TOLERANCE = 0.5
"""A prediction agrees with a measurement if the logarithms of their factors per layer differ by at
most this fraction of the predicted one: a factor of 0.24 agrees with 0.12 to 0.49. In
`experiments/mean_field`, factors of single random networks differ by less."""

_FLAT = 1.25
"""An initializer fits an activation if the predicted factor per layer, or its inverse, is at most
this: over ten layers, one decade."""

_FITTING = ("he_normal", "glorot_uniform")


@dataclass(frozen=True)
class PredictedSignal:
    """The prediction for a stack of Dense layers with one activation and one initializer.

    Args:
        activation: The name of the activation.
        initializer: The name of the kernel initializer.
        factor_per_layer: The geometric mean of the factors by which the layers change the L2 norm
            of the backpropagated signal.
        fitting: The initializer with which the prediction is a factor of about 1, or None if no
            common one gives that: then the activation itself is the cause.
    """

    activation: str
    initializer: str
    factor_per_layer: float
    fitting: str | None

    @classmethod
    def of(cls, model: ModelDescription, paths: Sequence[str]) -> PredictedSignal | None:
        """Returns the prediction for some hidden layers of a model.

        Args:
            model: The model.
            paths: The layers, from the input to the output.

        Returns:
            The prediction; None if there is another layer with weights between them, if their
            settings differ, or if theory does not cover them.
        """
        places = {layer.path: place for place, layer in enumerate(model.layers)}
        layers = model.layers[places[paths[0]] : places[paths[-1]] + 1]
        dense = [layer for layer in layers if layer.variables]
        if any(layer.type != "Dense" for layer in layers):
            return None
        names = {(layer.activation, _name_of(layer)) for layer in dense}
        if len(names) != 1 or not dense[1:]:
            return None
        try:
            factor = _factor([_prediction(layer) for layer in dense[1:]])
            ((activation, initializer),) = names
            fits = {name: _factor([_prediction(dense[1], name)]) for name in _FITTING}
        except ValueError:
            return None
        best = min(fits, key=lambda name: abs(math.log(fits[name])))
        is_flat = abs(math.log(fits[best])) <= math.log(_FLAT)
        return cls(str(activation), initializer, factor, best if is_flat else None)

    def agrees_with(self, factor_per_layer: float) -> bool:
        """Whether a measured factor per layer supports the prediction."""
        if not (0 < factor_per_layer < math.inf and 0 < self.factor_per_layer < math.inf):
            return False
        predicted, measured = math.log(self.factor_per_layer), math.log(factor_per_layer)
        return abs(predicted - measured) <= _TOLERANCE * abs(predicted)

    def sentence(self, factor_per_layer: float) -> str:
        """Returns what was predicted, and what that says about the cause of a measured factor."""
        predicted = (
            f"Before the first step, theory predicts a factor of {self.factor_per_layer:.2g} per "
            f"layer for {self.activation} with {self.initializer}"
        )
        if not self.agrees_with(factor_per_layer):
            return f"{predicted}, which does not explain it."
        if self.fitting is None:
            return f"{predicted}: the activation is the cause, whatever the initializer."
        return f"{predicted}: the initializer is the cause."

    def advice(self, factor_per_layer: float) -> tuple[str, ...]:
        """Returns the advice that follows from the prediction, if it explains a measured factor."""
        if self.fitting is None or not self.agrees_with(factor_per_layer):
            return ()
        return (f"Use kernel_initializer={self.fitting!r}, which fits {self.activation}.",)


class Witness:
    """What theory says about the signals of one model.

    A prediction integrates numerically, which takes a hundred times as long as all rules need for a
    record. It depends on the settings of the layers alone, so it is made once.

    Args:
        model: The model.
    """

    def __init__(self, model: ModelDescription) -> None:
        self._predict = functools.cache(lambda paths: PredictedSignal.of(model, paths))

    def testify(self, finding: Finding, signal: SignalByDepth, advice: tuple[str, ...]) -> Finding:
        """Returns a finding about a signal, with what theory says about its cause.

        Args:
            finding: The finding.
            signal: The signal that was measured.
            advice: What to try besides the initializer, if that is the cause.
        """
        predicted = self._predict(signal.paths)
        if predicted is None:
            return finding
        measured, expected = signal.factor_per_layer, predicted.factor_per_layer
        of_theory = predicted.advice(measured)
        return dataclasses.replace(
            finding,
            cause=predicted.sentence(measured),
            evidence={**finding.evidence, "predicted_factor_per_layer": expected},
            advice=(*of_theory, *advice) if of_theory else (),
        )


def _prediction(layer: LayerDescription, initializer: str | None = None) -> float:
    fan_in, fan_out = layer.variables[0].shape[-2:]
    found = predict(
        layer.activation,
        initializer or layer.kernel_initializer,
        layer.bias_initializer or "zeros",
        fan_in=fan_in,
        fan_out=fan_out,
    )
    return found.factor_per_layer


def _factor(factors: Sequence[float]) -> float:
    """Returns the geometric mean of some factors.

    Raises:
        ValueError: If one of them is 0 or not finite.
    """
    return math.exp(sum(map(math.log, factors)) / len(factors))


def _name_of(layer: LayerDescription) -> str:
    return str((layer.kernel_initializer or {}).get("class_name"))
