"""The first charts that TensorBoard shows: whether the gradient reaches the first layers.

Unlike the other charts, these are about the training run so far: one number (decades lost), one
picture (the norm of every layer's gradient at every step) and the diagnoses as a text.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary

from vg_keras.log import charts
from vg_keras.log.image import flow_image
from vg_keras.profiles import Profile
from vg_keras.record import ModelDescription, Record, Training
from vg_keras.rules.diagnosis import Diagnosis, counted, steps_in_words
from vg_keras.rules.rule import hidden_layers, listed
from vg_keras.rules.signal_by_depth import SignalByDepth

DECADES_OF_NOTHING = 100.0
"""Written for infinitely many decades, which TensorBoard can't draw: more than the 83 between the
smallest and the largest number of float32."""

MAX_COLUMNS = 128
"""Records in a picture. If there are more, every second one is dropped, then again."""

GROWTH = 3
"""A picture is due at the first record, each time there are three times as many, and with a new
diagnosis: ten times in 20,000 records of a healthy training run. TensorBoard keeps ten of them."""

BUDGET, SECONDS = 0.01, 0.2
"""Fraction of the time that drawing may take until the training run ends, and how long the first
picture takes. A picture that is due waits for its time: the first one appears after 20 seconds."""


class GradientFlow:
    """The charts of the gradient flow of one training run.

    Args:
        training: The training run.
        kinds: Which charts to make, of all kinds.
        names: The result of `chart_names` for its model.
        warn: Called with a message for the user.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        training: Training,
        kinds: Collection[str],
        names: Mapping[str, str],
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kinds = {kind for kind in kinds if kind in charts.FLOW_KINDS}
        self._described: set[str] = set()
        self._names = names
        self._warn = warn
        self._hidden = hidden_layers(training.model)
        self._columns = _Columns(training.model, names)
        self._diagnoses: tuple[Diagnosis, ...] = ()
        self._num_records = 0
        self._next_image = 1
        self._is_drawn = False
        self._clock = clock
        self._began = clock()
        self._seconds, self._last_seconds = 0.0, SECONDS

    def add(self, record: Record, diagnoses: tuple[Diagnosis, ...] = ()) -> list[Summary.Value]:
        """Adds a record and returns the charts to write with it.

        Args:
            record: The next record.
            diagnoses: All diagnoses so far, including those of this record.
        """
        self._num_records += 1
        self._columns.add(record)
        is_new = _codes(diagnoses) != _codes(self._diagnoses)
        self._diagnoses, self._is_drawn = diagnoses, False
        values = self._decades_lost(record)
        if is_new:
            values += self._text(self._num_records)
            self._next_image = 0
        if self._num_records >= self._next_image and self._has_time():
            values += self._image()
        return values

    def finish(self, diagnoses: tuple[Diagnosis, ...], num_records: int) -> list[Summary.Value]:
        """Returns the charts to write at the end of the training run: the verdict and a picture.

        Args:
            diagnoses: All diagnoses.
            num_records: Number of records of the training run, in this and in other files.
        """
        self._is_drawn = self._is_drawn and _codes(diagnoses) == _codes(self._diagnoses)
        self._diagnoses = diagnoses
        return self._text(num_records) + ([] if self._is_drawn else self._image())

    def _decades_lost(self, record: Record) -> list[Summary.Value]:
        hidden = [path for path in self._hidden if path in record.activation_gradients]
        if "decades_lost" not in self._kinds or len(hidden) < 2:
            return []
        signal = SignalByDepth.of(record, hidden)
        decades = math.nan if signal is None else signal.decades
        number = DECADES_OF_NOTHING if math.isinf(decades) else decades
        return [charts.scalar_value("decades_lost", number, self._describe("decades_lost"))]

    def _text(self, num_records: int) -> list[Summary.Value]:
        if "diagnoses" not in self._kinds:
            return []
        text = text_of(self._diagnoses, num_records, self._names)
        return [charts.text_value("diagnoses", text, self._describe("diagnoses"))]

    def _has_time(self) -> bool:
        return self._seconds + self._last_seconds <= BUDGET * (self._clock() - self._began)

    def _image(self) -> list[Summary.Value]:
        """Returns the picture of the records so far. Whatever goes wrong, the log goes on."""
        self._next_image = GROWTH * self._num_records
        if "norm_by_layer" not in self._kinds:
            return []
        began = self._clock()
        try:
            flow = self._columns.profile()
            if not flow.values.size:
                return []
            title = title_of(self._diagnoses, self._num_records, self._names)
            image = flow_image(flow, title, *self._diagnoses[:1])
        except Exception as error:  # noqa: BLE001 - no Matplotlib, no font, out of memory, ...
            self._kinds.discard("norm_by_layer")
            self._warn(
                f"GradientMonitor could not draw the image of the gradient flow: {error!r}. "
                "Training goes on, and everything else is written to the log."
            )
            return []
        self._is_drawn = True
        self._last_seconds = self._clock() - began
        self._seconds += self._last_seconds
        return [charts.image_value("norm_by_layer", image, self._describe("norm_by_layer"))]

    def _describe(self, kind: str) -> bool:
        """Whether a chart is written for the first time, and so with its description."""
        is_first = kind not in self._described
        self._described.add(kind)
        return is_first


class _Columns:
    """The norms of a bounded number of records, evenly spaced, and of the last one.

    The norms are those of the gradients at the outputs of layers or, if outputs are not monitored,
    of the gradients of variables.

    Args:
        model: The model.
        names: The names of its layers and variables in charts, by path.
    """

    def __init__(self, model: ModelDescription, names: Mapping[str, str]) -> None:
        self._names = names
        self._quantity = "activation_gradients" if model.outputs else "gradients"
        self._paths = model.outputs or model.kernels or model.variables
        self._kept: list[tuple[int, Mapping[str, float]]] = []
        self._last: tuple[int, Mapping[str, float]] | None = None
        self._stride = 1
        self._number = 0

    def add(self, record: Record) -> None:
        sketches = getattr(record, self._quantity)
        norms = {path: sketches[path].norm for path in self._paths if path in sketches}
        self._last = (record.step, norms)
        if self._number % self._stride == 0:
            self._kept.append(self._last)
        self._number += 1
        if len(self._kept) > MAX_COLUMNS:
            self._kept = self._kept[::2]
            self._stride *= 2

    def profile(self) -> Profile:
        last = [] if self._last is None or self._last in self._kept[-1:] else [self._last]
        kept = [*self._kept, *last]
        paths = tuple(path for path in self._paths if any(path in norms for _, norms in kept))
        values = [[norms.get(path, math.nan) for path in paths] for _, norms in kept]
        recorded = [[path in norms for path in paths] for _, norms in kept]
        shape = (len(kept), len(paths))
        return Profile(
            f"{self._quantity.removesuffix('s')}_norm",
            np.array([step for step, _ in kept], np.int64),
            paths,
            np.array(values, np.float64).reshape(shape),
            np.array(recorded, bool).reshape(shape),
            tuple(self._names[path] for path in paths),
        )


def _codes(diagnoses: Sequence[Diagnosis]) -> list[str]:
    return [diagnosis.code for diagnosis in diagnoses]


def title_of(diagnoses: Sequence[Diagnosis], num_records: int, names: Mapping[str, str]) -> str:
    """Returns the verdict in two lines: the most serious diagnosis and its layers.

    Args:
        diagnoses: All diagnoses, the most serious first.
        num_records: Number of records so far.
        names: The names of layers and variables in charts, by path.
    """
    if not diagnoses:
        return f"No problem found in {counted(num_records, 'record')}"
    first, *others = diagnoses
    also = f" (also {', '.join(_codes(others))})" if others else ""
    layers = listed((names.get(path, path) for path in first.paths), 3)
    return f"{first.code} {first.name} since step {first.first_step:,}{also}\nin {layers}"


def text_of(diagnoses: Sequence[Diagnosis], num_records: int, names: Mapping[str, str]) -> str:
    """Returns all diagnoses in Markdown.

    Args:
        diagnoses: All diagnoses, the most serious first.
        num_records: Number of records so far.
        names: The names of layers and variables in charts, by path.
    """
    if not diagnoses:
        return f"**No problem found** in {counted(num_records, 'record')}."
    return "\n\n".join(_paragraphs(diagnosis, names) for diagnosis in diagnoses)


def _paragraphs(diagnosis: Diagnosis, names: Mapping[str, str]) -> str:
    steps = steps_in_words(diagnosis.first_step, diagnosis.last_step)
    places = (f"{names[path]} (`{path}`)" for path in diagnosis.paths if path in names)
    name = f"**{diagnosis.code} {diagnosis.name}** ({diagnosis.severity})"
    return "\n".join(
        [
            f"{name}, {steps}: {diagnosis.message} {diagnosis.cause}".rstrip(),
            "",
            *(f"- Try: {advice}" for advice in diagnosis.advice),
            "",
            f"Names in the charts: {listed(places, 10)}. [More]({diagnosis.page})",
        ]
    )
