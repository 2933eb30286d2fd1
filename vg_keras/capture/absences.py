"""Explains which planned quantities of a model are missing in the records.

Without an explanation, a missing number looks like a missing layer. The gatherer notes here what
optimizers receive, and the plan is compared with that after the first records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import keras

from vg_keras.capture.calls import Call
from vg_keras.capture.gradients import Gradient
from vg_keras.capture.layers import own_variables
from vg_keras.capture.plan import ACTIVATION, ACTIVATION_GRADIENT, Key, Plan
from vg_keras.capture.taps import Taps
from vg_keras.statistics.tensor_sketch import DTYPES

_MOST_NAMES = 5

Absence = tuple[str, str, str]
"""The quantity that is missing, the path of the variable or layer, and the reason."""


class Absences:
    """Quantities that are missing in the records of one model.

    Args:
        taps: The taps of the model, which know what they could not observe.

    Attributes:
        received: Paths of the variables for which an optimizer received a gradient or None.
    """

    def __init__(self, taps: Taps) -> None:
        self._taps = taps
        self.received: set[str] = set()
        self._with_gradient: set[str] = set()
        self._unmeasured: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def note_received(self, gradients: Mapping[str, Gradient | None]) -> None:
        """Notes the gradients that an optimizer received, by path of the variable."""
        self.received |= set(gradients)
        self._with_gradient |= {p for p, gradient in gradients.items() if gradient is not None}

    def measurable_gradients(self, gradients: Mapping[str, Gradient]) -> dict[str, Gradient]:
        """Returns the gradients that can be measured, and notes the others."""
        return {p: g for p, g in gradients.items() if self._is_measurable("gradients", p, [g])}

    def measurable_calls(self, calls: Mapping[str, list[Call]]) -> dict[str, list[Call]]:
        """Returns the calls of layers whose outputs can be measured, and notes the others."""
        return {
            path: of_layer
            for path, of_layer in calls.items()
            if self._is_measurable("outputs", path, [call.value for call in of_layer])
        }

    def note_failure(self, key: Key, error: Exception) -> None:
        """Notes that a tensor could not be measured."""
        kind, path = key
        what = {ACTIVATION: "outputs", ACTIVATION_GRADIENT: "activation gradients"}.get(kind, kind)
        self._unmeasured[what.replace("_", " ")][path] = f"measuring them fails: {error!r}"

    def _is_measurable(self, what: str, path: str, values: Sequence[Gradient]) -> bool:
        odd = [value.dtype.name for value in values if value.dtype not in DTYPES]
        if odd:
            self._unmeasured[what][path] = f"values of dtype {odd[0]} can't be measured"
        return not odd

    def sentences(self, plan: Plan, is_final: bool) -> list[str]:
        """Returns one sentence for each quantity and reason.

        Args:
            plan: The plan.
            is_final: Whether quantities that have not been observed yet count as missing.
        """
        groups: dict[tuple[str, str], list[str]] = {}
        for what, path, why in [*self._known(plan), *(self._unseen(plan) if is_final else ())]:
            groups.setdefault((what, why), []).append(path)
        return [
            f"The {what} of {_listed(paths)} are not recorded: {why}. Everything else is recorded."
            for (what, why), paths in groups.items()
        ]

    def _known(self, plan: Plan) -> Iterator[Absence]:
        """Yields what was observed but could not be recorded."""
        taps = self._taps
        path_of = {id(observed.layer): path for path, observed in plan.layers.items()}
        hidden = taps.called.keys() - taps.seen - taps.unusable.keys()
        reasons = {
            "outputs": dict.fromkeys(hidden, _HIDDEN) | taps.unusable,
            "activation gradients": taps.without_derivative,
        }
        for what, why in reasons.items():
            yield from ((what, path, why[key]) for key, path in path_of.items() if key in why)
        for what, of_paths in self._unmeasured.items():
            yield from ((what, path, reason) for path, reason in of_paths.items())

    def _unseen(self, plan: Plan) -> Iterator[Absence]:
        """Yields what no step has contained."""
        for path in plan.variables:
            if path not in self.received:
                yield "gradients", path, _NOT_RECEIVED
        for path in self._not_called(plan):
            yield "outputs", path, _NOT_CALLED

    def _not_called(self, plan: Plan) -> Iterator[str]:
        """Yields the paths of layers that were trained although no call of them was observed."""
        for path, observed in plan.layers.items():
            layer: keras.layers.Layer = observed.layer
            if id(layer) not in self._taps.called:
                own = {plan.path_of.get(id(variable)) for variable in own_variables(layer)}
                if own & self._with_gradient:
                    yield path


_HIDDEN = (
    "the layers are called inside a loop or function (tf.while_loop, tf.function, "
    "tf.vectorized_map), where they can't be observed"
)
_NOT_RECEIVED = "no Keras optimizer received any"
_NOT_CALLED = "the layers were not called while the step was traced"


def _listed(paths: Sequence[str]) -> str:
    names = ", ".join(paths[:_MOST_NAMES])
    return names if len(paths) <= _MOST_NAMES else f"{names} and {len(paths) - _MOST_NAMES} more"
