"""VG301: NaN or infinity, and the place where it appeared first."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vg_keras.record import Record, Training
from vg_keras.rules.advice import CLIP, LOWER_RATE
from vg_keras.rules.rule import Finding, Rule, Watch
from vg_keras.rules.update_ratios import UpdateRatios
from vg_keras.sketch.sketch import Sketch

_SCALE_LOSS = "LossScaleOptimizer"
_CHECK = (
    "Check the data for NaN and infinity, and the loss for a logarithm, a division or a square "
    "root of zero."
)
_SCALE = "Scale inputs and targets to about 1."
_RATE_FIRST = (LOWER_RATE, CLIP, _SCALE, _CHECK)
_SCALE_FIRST = (_SCALE, LOWER_RATE, CLIP, _CHECK)


@dataclass(frozen=True)
class NonFinite(Rule):
    """A tensor holds NaN or infinity.

    The place where it was born is the first one in the order of computation: the data, the weights,
    the forward pass from the first layer to the last, the loss, then the backward pass from the
    last layer to the first.

    Args:
        num_scaled_steps: If the optimizer scales the loss, as with `mixed_float16`, or skips a
            step, gradients overflow on purpose in single steps. They count only if they are not
            finite over this number of steps, in which a loss scale can fall by a factor of 1e15.
        diverging: Update ratio from which the last finite record shows that training diverged, so
            that the learning rate is to blame and not a single value. With seed 0 of
            `experiments/cures`, it is at most 0.4 before a NaN in the data or a logarithm of zero,
            and at least 2.9 where training diverges.
        large_loss: First loss from which the targets are to blame for the divergence: that of
            inputs and targets of about 1 is near 1.
    """

    num_scaled_steps: int = 50
    diverging: float = 1.0
    large_loss: float = 1e3

    code = "VG301"
    name = "non-finite"
    severity = "error"
    needs = ("gradients",)
    accumulates = False
    advice = (_CHECK, LOWER_RATE, CLIP, _SCALE)

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        is_scaled = any(one.type == _SCALE_LOSS for one in training.settings.optimizers)
        first = training.model.layers[:1]
        inputs = {layer.path for layer in first} | {v.path for one in first for v in one.variables}
        overflowed: list[Finding] = []
        kernels = UpdateRatios(training)
        last_ratios: dict[str, float] = {}
        first_loss: float | None = None
        last_finite: Record | None = None

        def watch(record: Record) -> Finding | None:
            nonlocal first_loss, last_finite, last_ratios
            first_loss = record.loss if first_loss is None else first_loss
            place = next(_places(record), None)
            if place is None:
                overflowed.clear()
                last_finite, last_ratios = record, kernels.of(record)
                return None
            finding = _finding(place, record, last_finite, inputs)
            has_diverged = max(last_ratios.values(), default=0.0) > self.diverging
            if not record.nonfinite_data and has_diverged:
                is_large = first_loss is not None and first_loss > self.large_loss
                advice = _SCALE_FIRST if is_large else _RATE_FIRST
                finding = dataclasses.replace(finding, advice=advice)
            is_skipped = bool(record.update_norms) and not any(record.update_norms.values())
            if not (place.may_overflow and (is_scaled or is_skipped)):
                return finding
            overflowed.append(finding)
            lasted = record.step - (overflowed[0].since or 0)
            return overflowed[0] if lasted >= self.num_scaled_steps else None

        return watch


@dataclass(frozen=True)
class _Place:
    """A place with values that are not finite.

    Args:
        what: What is not finite, in words.
        path: The variable or layer; empty for the data and the loss.
        num: How many values are not finite.
        of: Of how many, or None if that is not known.
        may_overflow: Whether a loss scale may be the reason.
        advice: What to try.
    """

    what: str
    path: str = ""
    num: float = 1
    of: int | None = None
    may_overflow: bool = False
    advice: tuple[str, ...] = ()


_ABOUT_DATA = (
    "Look for NaN and infinity in the arrays or the dataset that `fit` gets.",
    "Look at the preprocessing for a division by zero, such as a standard deviation of 0.",
)
_ABOUT_LOSS = (
    "Look at the loss for a logarithm, a division or a square root of zero or less.",
    "Check the targets for NaN, and that they have the form that the loss expects.",
    LOWER_RATE,
)
_ABOUT_LAYER = (
    "Look at the layer for a logarithm, a division or a square root of zero or less.",
    _SCALE,
    LOWER_RATE,
)


def _places(record: Record) -> Iterator[_Place]:
    """Yields every place with a value that is not finite, in the order of computation."""
    if record.nonfinite_data:
        yield _Place("the data", num=record.nonfinite_data, advice=_ABOUT_DATA)
    for path, norm in record.weight_norms.items():
        if not math.isfinite(norm):
            yield _Place("the weights", path)
    yield from _in_sketches("the weights", record.weights)
    yield from _in_sketches("the output", record.activations, True, _ABOUT_LAYER)
    if record.loss is not None and not math.isfinite(record.loss):
        yield _Place("the loss", advice=_ABOUT_LOSS)
    backward = reversed([*record.activation_gradients.items()])
    yield from _in_sketches("the gradient at the output", dict(backward), True)
    yield from _in_sketches("the gradient", dict(reversed([*record.gradients.items()])), True)


def _in_sketches(
    what: str,
    sketches: Mapping[str, Sketch],
    may_overflow: bool = False,
    advice: tuple[str, ...] = (),
) -> Iterator[_Place]:
    for path, sketch in sketches.items():
        if sketch.nonfinite:
            yield _Place(what, path, sketch.nonfinite, sketch.count, may_overflow, advice)


def _finding(
    place: _Place, record: Record, last_finite: Record | None, inputs: set[str]
) -> Finding:
    advice = place.advice
    where = f"{place.what} of {place.path}" if place.path else place.what
    count = f"{place.num:,} of {place.of:,} values of {where}" if place.of else where
    first = "the first recorded place in the order of computation"
    if place.what == "the loss":
        message = "the loss is NaN or infinite, while the output of every layer is finite."
    elif place.what == "the data":
        values = (
            "1 value of the data is" if place.num == 1 else f"{place.num:,} values of the data are"
        )
        message = f"{values} NaN or infinite."
    elif place.what == "the weights":
        since = "" if last_finite is None else f" Step {last_finite.step:,} was still finite."
        message = f"{count} are NaN or infinite before the step: an earlier update made them so."
        message += since
    else:
        verb = "is" if count == where else "are"
        message = f"{count} {verb} NaN or infinite: {first}."
        if place.path in inputs and record.nonfinite_data is None:
            message += " It is the first layer, so check the data."
            advice = (*_ABOUT_DATA, *place.advice)
    evidence = {"nonfinite": place.num} | ({} if place.of is None else {"count": place.of})
    return Finding(message, (place.path or "data and loss",), evidence, record.step, advice)
