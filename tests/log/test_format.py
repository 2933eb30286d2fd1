"""Names, payloads and versions: encoding round-trips, and anything else is rejected."""

import dataclasses
import io
import json
import math
import zlib

import numpy as np
import pytest
from scripted_records import MODEL as SMALL
from scripted_records import contents, full_record, training_of

from vg_keras import Cost
from vg_keras.log import format as log_format
from vg_keras.log.packing import packed, unpacked
from vg_keras.quantities import NUMBERS, SKETCHES
from vg_keras.record import (
    LayerDescription,
    ModelDescription,
    OptimizerDescription,
    Record,
    Settings,
    VariableDescription,
)
from vg_keras.rules import Diagnosis, NotApplied, Verdict
from vg_keras.sketch.sketch import Sketch

MODEL = ModelDescription(
    "modèle",
    (
        LayerDescription(
            "a/dense",
            "Dense",
            "relu",
            (
                VariableDescription("a/dense/kernel", (3, 4), "float32"),
                VariableDescription("a/dense/bias", (), "float16"),
            ),
            (None, 4),
        ),
        LayerDescription(
            "b", "BatchNormalization", None, (VariableDescription("b/gamma", (4,), "float64"),)
        ),
        LayerDescription("softmax", "Softmax", "softmax", (), (None, None, 4)),
    ),
)

TRAINING = training_of(
    model=MODEL,
    settings=Settings(
        (OptimizerDescription("Adam", 0.1, {"beta_1": 0.9, "name": None}),),
        "mse",
        32,
        "auto",
        ("gradients", "weights"),
        {"keras": "3.15.1"},
    ),
    resumed_from=7,
)


def sketch(*aggregates, buckets=(3, 1020, 2040), counts=(1, 2, 2**40)):
    return Sketch.of_nonzero(
        np.array(buckets, np.uint16),
        np.array(counts, np.int64),
        aggregates or [0.1] * 5 + [1, 2, 3],
    )


def parsed_back(record):
    return log_format.parse_record(log_format.encode_record(record, MODEL), MODEL)


@pytest.mark.parametrize("training", [TRAINING, training_of(model=MODEL)])
def test_a_training_run_round_trips(training):
    assert log_format.parse_training(log_format.encode_training(training)) == training


def test_the_records_and_the_cost_of_a_training_run_are_not_part_of_its_description():
    cost = Cost(0.01, 1.5, 20, 1000, 500)
    training = training_of(full_record(), cost=cost)

    assert log_format.parse_training(log_format.encode_training(training)) == training_of()


def test_a_training_run_is_json_with_the_format_version():
    payload = json.loads(log_format.encode_training(TRAINING))

    assert payload["format_version"] == log_format.FORMAT_VERSION == 3
    assert set(payload) == {"format_version", "id", "began", "model", "settings", "resumed_from"}
    assert payload["model"]["layers"][0]["variables"][0] == {
        "path": "a/dense/kernel",
        "shape": [3, 4],
        "dtype": "float32",
    }
    assert [layer["output_shape"] for layer in payload["model"]["layers"]] == [
        [None, 4],
        None,
        [None, None, 4],
    ]


def test_a_model_lists_its_variables_layer_by_layer():
    assert MODEL.variables == ("a/dense/kernel", "a/dense/bias", "b/gamma")


def test_a_model_lists_the_layers_whose_output_is_monitored():
    assert MODEL.outputs == ("a/dense", "softmax")


def of_version_2():
    """Returns the description of MODEL in a log of version 2."""
    fields = dataclasses.asdict(MODEL)
    return {"format_version": 2, **fields, "versions": {"keras": "3.15.1"}}


def test_the_model_of_version_2_becomes_a_training_run():
    training = log_format.parse_model(json.dumps(of_version_2()).encode(), "file", 2.5)

    assert (training.id, training.began, training.model) == ("file", 2.5, MODEL)
    assert training.settings == Settings(versions={"keras": "3.15.1"})


def test_the_model_of_version_1_has_no_outputs():
    payload = of_version_2() | {"format_version": 1}
    for layer in payload["layers"]:
        del layer["output_shape"]
    model = log_format.parse_model(json.dumps(payload).encode(), "file", 0.0).model

    assert model.outputs == ()
    assert model.variables == MODEL.variables


OF_VARIABLES = ["gradients", "data_loss_gradients", "regularization_gradients", "weights"]
OF_LAYERS = ["activations", "activation_gradients"]


def test_a_record_round_trips():
    gradients = {"b/gamma": sketch(), "a/dense/kernel": sketch(buckets=[7], counts=[5])}
    record = Record(2**40, 1234567890.123456, gradients, ("a/dense/bias",))

    assert contents(parsed_back(record)) == contents(record)


def test_a_record_with_every_kind_of_content_round_trips():
    record = full_record()
    parsed = log_format.parse_record(log_format.encode_record(record, SMALL), SMALL)

    assert contents(parsed) == contents(record)
    assert [f.name for f in dataclasses.fields(record) if not getattr(record, f.name)] == [
        "without_gradient"
    ]


@pytest.mark.parametrize("kind", OF_VARIABLES + OF_LAYERS)
def test_a_record_with_one_kind_of_sketches_round_trips(kind):
    paths = ("softmax", "a/dense") if kind in OF_LAYERS else ("b/gamma", "a/dense/kernel")
    sketches = {paths[0]: sketch(), paths[1]: sketch(buckets=[7], counts=[5])}
    record = Record(**{"step": 1, "wall_time": 0.5, "gradients": {}, kind: sketches})

    assert contents(parsed_back(record)) == contents(record)


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("update_norms", {"b/gamma": 0.1, "a/dense/kernel": 5e-324}),
        ("weight_norms", {"a/dense/bias": math.inf, "b/gamma": math.nan}),
        ("saturated_units", {"softmax": 1 / 3, "a/dense": 0.0}),
        ("dead_units", {"a/dense": 1e-300}),
        ("examples", {"softmax": 2**53, "a/dense": 0}),
        ("dead_unit_examples", {"a/dense": 1280}),
    ],
)
def test_a_record_with_one_kind_of_numbers_round_trips(kind, numbers):
    record = Record(**{"step": 1, "wall_time": 0.5, "gradients": {}, kind: numbers})

    assert contents(parsed_back(record)) == contents(record)


@pytest.mark.parametrize("kind", OF_VARIABLES + OF_LAYERS)
def test_the_aggregates_of_a_record_round_trip_bit_for_bit(kind):
    aggregates = [1e300, 5e-324, 0.1, math.nan, -math.nan, 2**53, 1, 0]
    path = "softmax" if kind in OF_LAYERS else "b/gamma"
    kinds = {"gradients": {}, kind: {path: sketch(*aggregates)}}
    record = Record(step=0, wall_time=0.0, **kinds)

    assert contents(parsed_back(record)) == contents(record)


def test_a_record_without_gradients_round_trips():
    record = Record(3, 1.0, {}, ("b/gamma",))

    assert parsed_back(record) == record


def test_an_empty_sketch_round_trips():
    empty = sketch(0, 0, 0, math.nan, math.nan, 0, 0, 0, buckets=[], counts=[])
    gradients = {"a/dense/kernel": empty, "b/gamma": sketch(), "a/dense/bias": empty}
    record = Record(3, 1.0, gradients, activations={"softmax": empty, "a/dense": sketch()})

    assert contents(parsed_back(record)) == contents(record)


def test_a_path_unknown_to_the_model_cannot_be_encoded():
    with pytest.raises(KeyError):
        log_format.encode_record(Record(0, 0.0, {"softmax": sketch()}), MODEL)


def with_version(version):
    fields = json.loads(log_format.encode_training(TRAINING))
    return json.dumps({**fields, "format_version": version})


def test_a_newer_version_raises():
    with pytest.raises(log_format.FormatVersionError) as caught:
        log_format.parse_training(with_version(7).encode())

    assert str(caught.value) == (
        "This log has format version 7, and the installed vg_keras reads versions up to 3. "
        "Upgrade vg_keras to read it."
    )


def test_a_newer_version_raises_even_if_everything_else_differs():
    with pytest.raises(log_format.FormatVersionError):
        log_format.parse_training(b'{"format_version": 4}')


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"format_version": 1}',
        b'{"format_version": "1"}',
        b'{"format_version": 1, "name": "m", "layers": [{}], "versions": {}}',
        b'{"format_version": 1, "name": "m", "layers": [3], "versions": {}}',
    ],
)
def test_an_invalid_description_is_reported_as_damaged(payload):
    with pytest.raises(log_format.CorruptPayloadError, match="description of the model is damaged"):
        log_format.parse_model(payload, "file", 0.0)
    with pytest.raises(log_format.CorruptPayloadError, match="the training run is damaged"):
        log_format.parse_training(payload)


def arrays_on_disk():
    return unpacked(log_format.encode_record(full_record(), SMALL))


def test_the_number_of_each_kind_on_disk_never_changes():
    arrays = arrays_on_disk()
    norms = dict(zip(arrays["sketch_kinds"].tolist(), arrays["aggregates"][:, 2], strict=True))
    values = dict(zip(arrays["value_kinds"].tolist(), arrays["values"], strict=True))

    assert norms == pytest.approx(
        {0: 5, 1: 10, 2: 0.5, 3: 2, 4: 7, 5: math.sqrt(3), 6: math.sqrt(50), 7: 9}
    )
    assert values == {0: 0.5, 1: 2, 2: 8, 3: 0.25, 4: 0.125, 5: 16, 6: 2.25, 7: 5, 8: 0.75}


def payload_with(**changes):
    """Returns the payload of a record with arrays replaced, as in version 2; None omits one."""
    arrays = arrays_on_disk()
    arrays = {name: a for name, a in {**arrays, **changes}.items() if a is not None}
    file = io.BytesIO()
    for array in (list(arrays), *arrays.values()):
        np.save(file, array)
    return zlib.compress(file.getvalue())


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not compressed",
        zlib.compress(b""),
        zlib.compress(b"no array"),
        log_format.encode_record(full_record(), SMALL)[:-1],
        payload_with(step=None),
        payload_with(aggregates=None),
        payload_with(step=np.array([1, 2])),
        payload_with(step=np.array([object()], dtype=object)),
        payload_with(without_gradient=np.array([5])),
        payload_with(sketch_paths=np.full(len(SKETCHES), 1)),
        payload_with(sketch_kinds=np.full(len(SKETCHES), len(SKETCHES))),
        payload_with(value_kinds=np.full(len(NUMBERS), len(NUMBERS))),
        payload_with(value_paths=np.full(len(NUMBERS), 1)),
        payload_with(values=np.zeros(5)),
        payload_with(value_kinds=None),
        packed({"step": np.int64(3)}),
        zlib.compress(zlib.decompress(log_format.encode_record(full_record(), SMALL))[:-9]),
    ],
)
def test_an_invalid_record_is_reported_as_damaged(payload):
    with pytest.raises(log_format.CorruptPayloadError) as caught:
        log_format.parse_record(payload, SMALL)

    assert str(caught.value).startswith("The record is damaged: ")


VERDICT = Verdict(
    (
        Diagnosis(
            "VG101",
            "vanishing-gradient",
            "error",
            "It shrinks.",
            ("a", "b"),
            3,
            9,
            {"decades": math.inf},
            ("Use ReLU.",),
            "the activation",
        ),
    ),
    num_records=4,
    first_step=0,
    last_step=9,
    first_to_last=0.5,
    not_applied=(NotApplied("VG401", "small-updates", ("update_norms",)),),
)


def test_a_verdict_round_trips():
    assert log_format.parse_verdict(log_format.encode_verdict(VERDICT)) == VERDICT
    assert log_format.parse_verdict(log_format.encode_verdict(Verdict())).num_records == 0


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"diagnoses": [{}], "not_applied": []}'])
def test_an_invalid_verdict_is_reported_as_damaged(payload):
    with pytest.raises(log_format.CorruptPayloadError, match="The verdict is damaged: "):
        log_format.parse_verdict(payload)


def test_a_tag_consists_of_the_prefix_of_its_chart_and_a_name():
    assert log_format.tag("dead_units", "01_dense") == "dead_units/01_dense"
    assert log_format.tag("gradient_norm", "01_dense/kernel") == (
        "log10_gradient_norm/01_dense/kernel"
    )
    assert log_format.tag("decades_lost") == "1_gradient_flow/decades_lost"


@pytest.mark.parametrize("fraction", [0.01, math.nan])
def test_a_cost_is_read_back(fraction):
    cost = Cost(fraction, 1.5, 20, 1000, 500)

    assert log_format.parse_cost(log_format.encode_cost(cost)) == cost


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"fraction": 1}', b'{"unknown": 1}', b"\xff"])
def test_an_invalid_cost_is_reported_as_damaged(payload):
    with pytest.raises(log_format.CorruptPayloadError, match="The cost of recording is damaged"):
        log_format.parse_cost(payload)
