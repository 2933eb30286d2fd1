"""The rules of five publications, as rules over our records.

Each fires at the first record at which any layer shows it. The thresholds are those of the
publications; the systems themselves look at other steps than ours, and some wait for several
layers. What a record does not hold is replaced by what is nearest to it, and the rule says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from vg_keras.activations import is_rectifier
from vg_keras.record import Record, Training
from vg_keras.rules import Finding, Rule, Watch
from vg_keras.sketch.sketch import Sketch

Test = Callable[["Kernels", Record], Sequence[str]]
"""Takes the kernels and a record, and returns the paths that are sick."""


@dataclass(frozen=True)
class Kernels:
    """What the tests need to know of the model.

    Args:
        paths: The kernels, from the input to the output.
        rectified: The layers whose activation is ReLU or alike.
        sigmoid: The layers whose activation is sigmoid.
    """

    paths: tuple[str, ...]
    rectified: tuple[str, ...]
    sigmoid: tuple[str, ...]

    @classmethod
    def of(cls, training: Training) -> Kernels:
        """Reads the description of a model."""
        layers = training.model.layers
        return cls(
            training.model.kernels,
            tuple(layer.path for layer in layers if is_rectifier(layer.activation)),
            tuple(layer.path for layer in layers if layer.activation == "sigmoid"),
        )

    def gradients(self, record: Record) -> Iterator[tuple[str, Sketch]]:
        """Yields the gradient of each kernel that has one."""
        return ((p, record.gradients[p]) for p in self.paths if p in record.gradients)


@dataclass(frozen=True)
class PublishedRule(Rule):
    """One rule of a publication.

    Args:
        kind: What it finds: "vanishing", "exploding", "dead", "saturated" or "updates".
        test: What it looks at in one record.
    """

    kind: str
    test: Test

    code = "published"
    name = "published"
    severity = "warning"
    needs = ("gradients",)
    advice = ()

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        kernels = Kernels.of(training)

        def watch(record: Record) -> Finding | None:
            paths = tuple(self.test(kernels, record))
            return Finding(self.kind, paths, {}) if paths else None

        return watch

    def first_step(self, training: Training) -> int | None:
        """Returns the step of the first record at which it fires, or None."""
        watch = self.start(training)
        return next((record.step for record in training.records if watch(record)), None)


class Trend(PublishedRule):
    """A rule on the mean |gradient| of a kernel that changes by a factor again and again."""

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        kernels = Kernels.of(training)
        before: dict[str, float] = {}
        in_a_row: dict[str, int] = {}

        def watch(record: Record) -> Finding | None:
            single = tuple(self.test(kernels, record))
            for path, gradient in kernels.gradients(record):
                now = gradient.mean_abs
                last, factor = before.get(path, math.nan), 0.5 if self.kind == "vanishing" else 2.0
                goes_on = now <= factor * last if factor < 1 else now >= factor * last
                in_a_row[path] = in_a_row.get(path, 0) + 1 if goes_on else 0
                before[path] = now
            found = single or tuple(p for p, number in in_a_row.items() if number >= 5)
            return Finding(self.kind, found, {}) if found else None

        return watch


def mean_below(limit: float) -> Test:
    """The mean |gradient| of a kernel is below a limit."""
    return lambda kernels, record: [
        path for path, gradient in kernels.gradients(record) if gradient.mean_abs < limit
    ]


def largest_above(limit: float) -> Test:
    """An element of a kernel's gradient is above a limit, or not finite."""
    return lambda kernels, record: [
        path for path, gradient in kernels.gradients(record) if not gradient.max_abs <= limit
    ]


def mean_above(limit: float) -> Test:
    """The mean |gradient| of a kernel is above a limit, or not finite."""
    return lambda kernels, record: [
        path for path, gradient in kernels.gradients(record) if not gradient.mean_abs <= limit
    ]


def zeros_of_gradients(fraction: float) -> Test:
    """A fraction of a kernel's gradient is exactly zero, in a network with rectifiers."""
    return lambda kernels, record: [
        path
        for path, gradient in kernels.gradients(record)
        if kernels.rectified and gradient.zeros >= fraction * gradient.count
    ]


def zeros_of_outputs(fraction: float) -> Test:
    """A fraction of a rectifier's outputs is zero."""
    return lambda kernels, record: [
        path
        for path in kernels.rectified
        if path in record.activations
        and record.activations[path].zeros >= fraction * record.activations[path].count
    ]


def inactive_units(fraction: float) -> Test:
    """A fraction of a rectifier's units was zero on the last examples.

    For limits on how often a unit is active, which a record does not hold unit by unit.
    """
    return lambda kernels, record: [
        path for path, dead in record.dead_units.items() if dead >= fraction
    ]


def saturated_units(fraction: float) -> Test:
    """A fraction of a layer's units is saturated, by our limits.

    For limits on pre-activations, which are not recorded.
    """
    return lambda kernels, record: [
        path for path, saturated in record.saturated_units.items() if saturated >= fraction
    ]


def sigmoid_outside(low: float, high: float) -> Test:
    """Half of the inputs of a sigmoid are outside of a range, read from its outputs."""
    limits = [1 / (1 + math.exp(-value)) for value in (low, high)]

    def test(kernels: Kernels, record: Record) -> list[str]:
        outputs = {p: record.activations[p] for p in kernels.sigmoid if p in record.activations}
        medians = {p: float(output.quantile(0.5)) for p, output in outputs.items() if output.finite}
        return [p for p, median in medians.items() if not limits[0] <= median < limits[1]]

    return test


def update_outside(low: float, high: float) -> Test:
    """The update of a kernel, relative to its size, is outside of a range."""

    def test(kernels: Kernels, record: Record) -> list[str]:
        ratios = _update_ratios(record, kernels.paths)
        return [path for path, ratio in ratios.items() if not low <= ratio <= high]

    return test


def _first_to_last(kernels: Kernels, record: Record) -> tuple[float, float]:
    """Returns the norm of the first kernel's gradient, and its ratio to that of the last."""
    norms = [gradient.norm for _, gradient in kernels.gradients(record)]
    if len(norms) < 2:
        return math.nan, math.nan
    return norms[0], norms[0] / norms[-1] if norms[-1] else math.nan


def _autotrainer_vanishing(kernels: Kernels, record: Record) -> Sequence[str]:
    norm, ratio = _first_to_last(kernels, record)
    return kernels.paths[:1] if ratio < 1e-3 and norm < 1e-4 else ()


def _autotrainer_exploding(kernels: Kernels, record: Record) -> Sequence[str]:
    norm, ratio = _first_to_last(kernels, record)
    return kernels.paths[:1] if ratio > 70 or not math.isfinite(norm) else ()


PUBLISHED: dict[str, tuple[PublishedRule, ...]] = {
    "AutoTrainer": (
        PublishedRule("vanishing", _autotrainer_vanishing),
        PublishedRule("exploding", _autotrainer_exploding),
        PublishedRule("dead", zeros_of_gradients(0.7)),
    ),
    "DeepDiagnosis": (
        PublishedRule("vanishing", mean_below(1e-7)),
        PublishedRule("exploding", largest_above(math.inf)),
        PublishedRule("dead", zeros_of_outputs(0.7)),
        PublishedRule("saturated", saturated_units(0.5)),
        PublishedRule("updates", update_outside(1e-5, 1e-1)),
    ),
    "TheDeepChecker": (
        Trend("vanishing", mean_below(1e-6)),
        Trend("exploding", mean_above(1e6)),
        PublishedRule("dead", inactive_units(0.5)),
        PublishedRule("updates", update_outside(1e-4, 1e-1)),
    ),
    "SageMaker": (
        PublishedRule("vanishing", mean_below(1e-7)),
        PublishedRule("exploding", largest_above(math.inf)),
        PublishedRule("dead", inactive_units(0.5)),
        PublishedRule("saturated", sigmoid_outside(-23.0, 17.0)),
        PublishedRule("updates", update_outside(1e-8, 10.0)),
    ),
    "DEFault": (
        PublishedRule("vanishing", mean_below(1e-4)),
        PublishedRule("exploding", largest_above(70.0)),
        PublishedRule("dead", zeros_of_gradients(0.7)),
    ),
}
"""The rules of each system."""


def _update_ratios(record: Record, paths: Iterable[str]) -> dict[str, float]:
    """Returns the update ratios that were recorded and are finite, by path."""
    ratios = {path: record.update_ratio(path) for path in paths if path in record.update_norms}
    return {path: ratio for path, ratio in ratios.items() if math.isfinite(ratio)}
