"""The charts that TensorBoard opens on, on scripted training runs: number, picture and verdict."""

import dataclasses
import io
import math

import numpy as np
import pytest
from PIL import Image
from scripted_records import layer, model_of, sketch_of, training_of
from tensorboard.util import tensor_util

from vg_keras.log import flow_charts
from vg_keras.log.chart_names import chart_names
from vg_keras.log.charts import FLOW_KINDS
from vg_keras.log.flow_charts import GradientFlow, text_of
from vg_keras.record import Record
from vg_keras.rules import Diagnosis, Examination

LAYERS = [f"net/hidden_{i}" for i in range(1, 6)] + ["net/output"]
KERNELS = [f"{path}/kernel" for path in LAYERS]
MODEL = model_of(*(layer(path, "kernel", output_shape=(None, 4)) for path in LAYERS))

DECADES, PICTURE, VERDICT = (
    f"1_gradient_flow/{name}" for name in ("decades_lost", "by_layer", "diagnoses")
)


def by_layer(factor):
    """Numbers for each layer, which shrink by a factor from each layer to the one before."""
    return [factor ** (4 - i) for i in range(5)] + [1.0]


def record_at(step, signal, gradients=None, updates=None):
    """A record whose layers have these norms of dL/d(output)."""

    def sketches(paths, norms):
        return {p: sketch_of([n, 0.0]) for p, n in zip(paths, norms, strict=True)}

    return Record(
        step,
        0.0,
        sketches(KERNELS, gradients or [1.0] * 6),
        activation_gradients=sketches(LAYERS, signal),
        update_norms=dict(zip(KERNELS, updates or [1e-3] * 6, strict=True)),
        weight_norms=dict.fromkeys(KERNELS, 1.0),
    )


class Clock:
    """A clock that stands still unless it is set."""

    now = 0.0

    def __call__(self):
        return self.now


class Written:
    """The charts that a training run of these records writes: {tag: [(step, value), ...]}."""

    def __init__(self, records, model=MODEL, kinds=FLOW_KINDS, clock=None, seconds=1000.0):
        self.warnings, self.found = [], {}
        names, clock = chart_names(model), clock or Clock()
        self.flow = GradientFlow(
            training_of(model=model), kinds, names, self.warnings.append, clock
        )
        examination = Examination(training_of(model=model))
        for record in records:
            clock.now += seconds
            examination.update(record)
            self.keep(record.step, self.flow.add(record, examination.diagnoses))
        self.keep(record.step, self.flow.finish(examination.diagnoses, len(records)))

    def keep(self, step, values):
        for value in values:
            self.found.setdefault(value.tag, []).append((step, value))

    def steps(self, tag):
        return [step for step, _ in self.found.get(tag, [])]

    def numbers(self):
        return [tensor_util.make_ndarray(v.tensor).item() for _, v in self.found[DECADES]]

    def texts(self):
        return [v.tensor.string_val[0].decode() for _, v in self.found[VERDICT]]

    def pictures(self):
        return [pixels_of(value) for _, value in self.found[PICTURE]]


def pixels_of(value):
    width, height, png = value.tensor.string_val
    picture = Image.open(io.BytesIO(png))
    assert (str(picture.width).encode(), str(picture.height).encode()) == (width, height)
    return np.asarray(picture.convert("RGB")).astype(int)


def has_color(pixels, color, at_least=1000):
    """Whether so many pixels have this color, up to the rounding of the palette."""
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return (abs(pixels - wanted).max(2) <= 12).sum() >= at_least


healthy = [record_at(step, by_layer(0.9)) for step in range(9)]
sick = [record_at(step, by_layer(0.1), updates=by_layer(0.1)) for step in range(9)]


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (by_layer(0.1), 4.0),
        (by_layer(1.0), 0.0),
        (by_layer(10.0), -4.0),
        ([0.0, *by_layer(0.1)[1:]], 100.0),
    ],
)
def test_the_number_is_the_decades_lost_from_the_last_hidden_layer_to_the_first(signal, expected):
    assert Written([record_at(0, signal)]).numbers() == pytest.approx([expected])


@pytest.mark.parametrize("signal", [[math.nan, *by_layer(0.1)[1:]], [0.0] * 6])
def test_without_a_finite_signal_the_number_is_nan(signal):
    assert math.isnan(Written([record_at(0, signal)]).numbers()[0])


def test_without_two_hidden_layers_there_is_no_number():
    one = dataclasses.replace(MODEL, layers=MODEL.layers[-2:])
    record = record_at(0, by_layer(0.9))
    of_layers = {path: record.activation_gradients[path] for path in LAYERS[-2:]}
    record = dataclasses.replace(record, activation_gradients=of_layers)

    assert DECADES not in Written([record], one).found


def test_a_verdict_is_written_when_it_changes_and_at_the_end():
    records = [*healthy[:5], *(dataclasses.replace(r, step=r.step + 5) for r in sick)]
    written = Written(records)

    assert written.steps(VERDICT) == [5, 13]
    assert written.texts()[0].startswith("**VG101 vanishing-gradient** (error), step 5: ")
    assert written.texts()[1].startswith("**VG101 vanishing-gradient** (error), steps 5 to 13: ")


def test_the_verdict_has_the_advice_and_the_names_of_the_layers():
    (text, _) = Written(sick).texts()

    assert "- Try: Use ReLU with he_normal" in text
    assert "01_net/hidden_1 (`net/hidden_1`)" in text
    assert text.endswith("docs/rules/VG101.md)")


def test_the_cause_stands_behind_the_message():
    diagnosis = Diagnosis("VG1", "bad", "error", "It.", (), 0, 0, {}, ("Do.",), "Theory says so.")

    assert text_of([diagnosis], 1, {}).startswith(
        "**VG1 bad** (error), step 0: It. Theory says so.\n"
    )


def test_a_healthy_training_run_is_called_healthy_at_the_end():
    written = Written(healthy)

    assert written.steps(VERDICT) == [8]
    assert written.texts() == ["**No problem found** in 9 records."]


def test_the_number_of_pictures_is_bounded():
    record = record_at(0, by_layer(0.9))
    written = Written([dataclasses.replace(record, step=step) for step in range(10_000)])

    assert written.steps(PICTURE) == [0, 2, 8, 26, 80, 242, 728, 2186, 6560, 9999]


def test_drawing_takes_at_most_one_percent_of_the_time(monkeypatch):
    clock = Clock()

    def draw(*_):
        clock.now += 2.0

    monkeypatch.setattr(flow_charts, "flow_image", draw)
    monkeypatch.setattr(flow_charts.charts, "image_value", lambda *_: image_stub())
    record = record_at(0, by_layer(0.9))
    records = [dataclasses.replace(record, step=step) for step in range(1000)]
    written = Written(records, clock=clock, seconds=1.0)

    # 0.2 s are expected of the first one, after 20 s; 2 s of each further one, after 400 s.
    assert written.steps(PICTURE) == [19, 397, 999]


def test_a_new_diagnosis_is_drawn_at_once():
    records = [*healthy[:5], *sick[5:6], *healthy[6:8]]

    assert Written(records).steps(PICTURE) == [0, 2, 5, 7]


def test_no_picture_is_drawn_twice():
    assert Written(healthy).steps(PICTURE) == [0, 2, 8]


def test_the_colors_are_those_of_the_norms_on_a_fixed_scale():
    (pixels,) = Written([record_at(0, [1e-8, 1e-3, 1e2, 1e-12, 1e5, 1.0])]).pictures()
    viridis = {"#440154": "1e-8", "#21918c": "1e-3", "#fde725": "100"}

    # The rows below and beyond the ends of the scale have the colors of the ends.
    assert {norm for color, norm in viridis.items() if has_color(pixels, color, 5000)} == {
        "1e-8",
        "1e-3",
        "100",
    }
    assert not has_color(pixels, "#ff2d2d", 100)


def test_a_gradient_that_is_not_finite_has_its_own_color():
    written = Written([record_at(0, [math.nan, math.inf, 1.0, 1.0, 1.0, 1.0])])

    assert has_color(written.pictures()[-1], "#ff2d2d", 5000)


@pytest.mark.parametrize(("records", "color"), [(healthy, "#1b6e33"), (sick, "#b00020")])
def test_the_title_is_red_if_there_is_an_error(records, color):
    pixels = Written(records).pictures()[-1]
    others = {"#1b6e33", "#b00020"} - {color}

    assert has_color(pixels, color, 300)
    assert not any(has_color(pixels, other, 100) for other in others)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (healthy, "No problem found in 9 records"),
        (
            sick,
            "VG101 vanishing-gradient since step 0\nin 01_net/hidden_1",
        ),
    ],
)
def test_the_title_names_the_problem_and_its_layers(monkeypatch, records, expected):
    titles = []
    monkeypatch.setattr(flow_charts, "flow_image", lambda flow, title, *_: titles.append(title))
    monkeypatch.setattr(flow_charts.charts, "image_value", lambda *_: image_stub())
    Written(records)

    assert titles[-1].startswith(expected)


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'matplotlib'"), MemoryError(), ValueError("font")]
)
def test_a_picture_that_cannot_be_drawn_warns_once_and_everything_else_is_written(
    monkeypatch, error
):
    def fail(*_):
        raise error

    monkeypatch.setattr(flow_charts, "flow_image", fail)
    written = Written(sick)

    (warning,) = written.warnings
    assert warning == (
        f"GradientMonitor could not draw the image of the gradient flow: {error!r}. "
        "Training goes on, and everything else is written to the log."
    )
    assert written.steps(DECADES) == list(range(9))
    assert written.steps(VERDICT) == [0, 8]
    assert PICTURE not in written.found


def test_without_outputs_the_picture_shows_the_gradients_of_the_kernels(monkeypatch):
    drawn = []
    monkeypatch.setattr(flow_charts, "flow_image", lambda flow, *_: drawn.append(flow))
    unseen = [dataclasses.replace(one, output_shape=None) for one in MODEL.layers]
    record = record_at(0, by_layer(0.9), by_layer(0.1))
    record = dataclasses.replace(record, activation_gradients={})
    monkeypatch.setattr(flow_charts.charts, "image_value", lambda *_: image_stub())
    Written([record], dataclasses.replace(MODEL, layers=tuple(unseen)))

    assert drawn[0].paths == tuple(KERNELS)
    assert drawn[0].values == pytest.approx(np.array([by_layer(0.1)]), rel=1e-6)


def image_stub():
    return flow_charts.Summary.Value(tag=PICTURE)


def test_a_long_training_run_has_columns_for_its_whole_length(monkeypatch):
    drawn = []
    monkeypatch.setattr(flow_charts, "flow_image", lambda flow, *_: drawn.append(flow))
    monkeypatch.setattr(flow_charts.charts, "image_value", lambda *_: image_stub())
    record = record_at(0, by_layer(0.9))
    Written([dataclasses.replace(record, step=step) for step in range(1000)])
    steps = drawn[-1].steps.tolist()

    assert 64 <= len(steps) <= 130
    assert steps[:3] == [0, 8, 16]
    assert steps[-2:] == [992, 999]


def test_each_chart_is_described_once():
    written = Written(sick)

    for found in written.found.values():
        first, *others = (value.metadata.summary_description for _, value in found)
        assert first.endswith(".")
        assert not any(others)
    assert {v[0][1].metadata.plugin_data.plugin_name for v in written.found.values()} == {
        "scalars",
        "images",
        "text",
    }


def test_only_the_requested_charts_are_made():
    assert set(Written(sick, kinds=["decades_lost"]).found) == {DECADES}
    assert Written(sick, kinds=["gradients"]).found == {}
