"""What the page draws: the numbers of the records, and the layers of several runs side by side."""

import dataclasses
import json
import math

import pytest
from flow_logs import LAYERS, RECORDS, VERDICT, model, record_at, write, write_with_verdict
from scripted_records import sketch_of, training_of

from vg_keras.layer_quantities import LAYER_QUANTITIES
from vg_keras.log.writer import RecordWriter
from vg_keras.plugin.flow_view import Chosen, Window, flow
from vg_keras.plugin.open_logs import OpenLog
from vg_keras.record import Record

WHOLE = Window(0, None, 100)


def chosen(directory, key="a"):
    log = OpenLog(str(directory))
    log.read_on(60)
    return Chosen(key, log, next(iter(log.trainings.values())))


def flow_of(*directories, quantity="activation_gradients"):
    found = flow([chosen(d, d.name) for d in directories], LAYER_QUANTITIES[quantity], WHOLE)
    return json.loads(json.dumps(found, allow_nan=False))


def test_the_numbers_are_those_of_the_records(tmp_path):
    write(tmp_path)
    (run,) = flow_of(tmp_path)["runs"]

    assert run["steps"] == run["last_steps"] == [0, 5, 10, 20]
    assert run["values"] == [
        [1e-4, 1e-7, 0, "nonfinite"],
        [1e-2, 1e-3, None, 1e-3],
        [1.0, 0.1, 0.1, 0.25],
    ]
    assert [layer["path"] for layer in run["layers"]] == list(LAYERS)
    assert [layer["depth"] for layer in run["layers"]] == [0, 1, 2]
    assert run["num_records"] == 4
    assert run["is_complete"] is True
    assert run["quantities"] == [
        "activation_gradients",
        "gradients",
        "activation_gradient_norm",
        "gradient_norm",
    ]
    assert run["verdict"] is None


def test_kernels_are_shown_of_quantities_of_variables(tmp_path):
    write(tmp_path)
    (run,) = flow_of(tmp_path, quantity="gradients")["runs"]

    assert [layer["name"] for layer in run["layers"]] == [
        "01_hidden_1/kernel",
        "02_hidden_2/kernel",
        "03_output/kernel",
    ]


def test_a_quantity_that_was_not_recorded_has_layers_and_no_columns(tmp_path):
    write(tmp_path)
    found = flow_of(tmp_path, quantity="saturated_units")

    assert found["range"] == [0, 1]
    assert found["runs"][0]["steps"] == []
    assert found["runs"][0]["values"] == [[], [], []]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1e-3, 1e-2, 0.9e-1], [-5, 1]),  # widened to six decades
        ([1.1e-9, 0.9, 0.9], [-9, 0]),
        ([1e-30, 1.0, 5.0], [-11, 1]),  # narrowed to twelve
        ([0.0, math.nan, None], [-6, 0]),
    ],
)
def test_the_color_scale_is_neither_too_narrow_nor_too_wide(tmp_path, sizes, expected):
    write(tmp_path, [record_at(0, sizes)])

    assert flow_of(tmp_path)["range"] == expected


def test_runs_share_one_scale_and_the_depths_of_their_layers(tmp_path):
    names = ("hidden_1", "norm", "hidden_2", "output")
    write(tmp_path / "a", [record_at(0, [0.5, 0.5, 0.5])])
    write(tmp_path / "b", [record_at(0, [1.1e-9, 0.5, 0.5, 0.5], names)], names=names)
    found = flow_of(tmp_path / "a", tmp_path / "b")
    depths = [[layer["depth"] for layer in run["layers"]] for run in found["runs"]]

    assert depths == [[0, 2, 3], [0, 1, 2, 3]]
    assert found["num_depths"] == 4
    assert found["range"] == [-9, 0]
    assert [run["is_matched_by_name"] for run in found["runs"]] == [True, True]


def test_layers_of_other_names_are_matched_by_position_and_it_is_said(tmp_path):
    names = ("first", "second", "last")
    write(tmp_path / "a")
    write(tmp_path / "b", [record_at(0, [1, 1, 1], names)], names=names)
    found = flow_of(tmp_path / "a", tmp_path / "b")

    assert [run["is_matched_by_name"] for run in found["runs"]] == [True, False]
    assert found["num_depths"] == 3


def test_names_that_keras_numbers_match(tmp_path):
    for number, names in enumerate([("dense", "dense_1"), ("dense_7", "dense_8")], 1):
        write(tmp_path / str(number), [record_at(0, [1, 1], names)], names=names)
    found = flow_of(tmp_path / "1", tmp_path / "2")

    assert [run["is_matched_by_name"] for run in found["runs"]] == [True, True]


@pytest.mark.parametrize("quantity", ["activation_gradients", "gradients"])
def test_diagnoses_name_the_rows_of_their_layers_and_whether_they_are_over(tmp_path, quantity):
    write_with_verdict(tmp_path).close()
    verdict = flow_of(tmp_path, quantity=quantity)["runs"][0]["verdict"]
    first, second = verdict["diagnoses"]

    assert verdict["title"] == "VG101 vanishing-gradient: hidden_1"
    assert (first["code"], first["rows"], first["is_over"]) == ("VG101", [0], False)
    assert (second["code"], second["rows"], second["is_over"]) == ("VG201", [1], True)
    assert first["page"].endswith("docs/rules/VG101.md")


def test_the_prediction_is_that_of_theory_from_the_last_hidden_layer_on(tmp_path):
    names = ("hidden_1", "hidden_2", "hidden_3", "output")
    sigmoid = {
        "activation": "sigmoid",
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {}},
    }
    layers = [dataclasses.replace(one, **sigmoid) for one in model(names, 64).layers]
    described = dataclasses.replace(model(names, 64), layers=tuple(layers))
    gradients = {name: sketch_of([2.0, -2.0]) for name in names}
    writer = RecordWriter(str(tmp_path), ())
    record = Record(0, 0.0, {}, activation_gradients=gradients)
    writer.write(record, training_of(model=described))
    writer.close()
    prediction = flow_of(tmp_path)["runs"][0]["prediction"]

    assert prediction["rows"] == [0, 1, 2]
    # 0.238 per layer for the sigmoid with Glorot's initializer: the same as in `experiments/depth`.
    assert prediction["values"] == pytest.approx([2 * 0.238**2, 2 * 0.238, 2], rel=0.02)
    assert "0.24 per layer for sigmoid with GlorotUniform" in prediction["text"]
    assert flow_of(tmp_path, quantity="activations")["runs"][0]["prediction"] is None


def test_there_is_no_prediction_without_initializers(tmp_path):
    write(tmp_path)

    assert flow_of(tmp_path)["runs"][0]["prediction"] is None


def test_the_tag_changes_when_more_is_read(tmp_path):
    write(tmp_path, RECORDS[:2])
    one = chosen(tmp_path)
    before = one.tag
    write(tmp_path)
    one.log.read_on(10)

    assert one.tag != before


def test_the_tag_changes_with_the_verdict(tmp_path):
    earlier = dataclasses.replace(VERDICT, num_records=1, last_step=0)
    writer = write_with_verdict(tmp_path, verdict=earlier)
    before = chosen(tmp_path).tag
    writer.finish((), 4, VERDICT)
    writer.close()

    assert chosen(tmp_path).tag != before
