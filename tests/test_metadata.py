"""Names, payloads and versions: what is encoded is parsed back, and all else is refused."""

import io
import json
import math
import zlib

import numpy as np
import pytest

from vg_keras import metadata
from vg_keras.record import LayerDescription, ModelDescription, Record, VariableDescription
from vg_keras.statistics.sketch import Sketch

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
        ),
        LayerDescription(
            "b", "BatchNormalization", None, (VariableDescription("b/gamma", (4,), "float64"),)
        ),
    ),
    {"keras": "3.15.1"},
)


def sketch(*moments, buckets=(3, 1020, 2040), counts=(1, 2, 2**40)):
    return Sketch.of_occupied(
        np.array(buckets, np.uint16), np.array(counts, np.int64), moments or [0.1] * 5 + [1, 2, 3]
    )


def assert_same_sketch(one, other):
    assert one.occupied.dtype == other.occupied.dtype == np.uint16
    assert one.occupied_counts.dtype == other.occupied_counts.dtype == np.int64
    assert one.occupied.tolist() == other.occupied.tolist()
    assert one.occupied_counts.tolist() == other.occupied_counts.tolist()
    assert np.array_equal(one.moments, other.moments, equal_nan=True)


def test_a_model_is_parsed_back():
    assert metadata.parse_model(metadata.encode_model(MODEL)) == MODEL


def test_a_model_is_json_with_the_version_of_the_format():
    payload = json.loads(metadata.encode_model(MODEL))

    assert payload["format_version"] == metadata.FORMAT_VERSION == 1
    assert set(payload) == {"format_version", "name", "layers", "versions"}
    assert payload["layers"][0]["variables"][0] == {
        "path": "a/dense/kernel",
        "shape": [3, 4],
        "dtype": "float32",
    }


def test_a_model_lists_its_variables_layer_by_layer():
    assert MODEL.variables == ("a/dense/kernel", "a/dense/bias", "b/gamma")


def test_a_record_is_parsed_back():
    gradients = {"b/gamma": sketch(), "a/dense/kernel": sketch(buckets=[7], counts=[5])}
    record = Record(2**40, 1234567890.123456, gradients, ("a/dense/bias",))
    parsed = metadata.parse_record(metadata.encode_record(record, MODEL.variables), MODEL.variables)

    assert (parsed.step, parsed.wall_time) == (2**40, 1234567890.123456)
    assert parsed.without_gradient == ("a/dense/bias",)
    assert list(parsed.gradients) == ["b/gamma", "a/dense/kernel"]
    for path, expected in gradients.items():
        assert_same_sketch(parsed.gradients[path], expected)


def test_the_moments_of_a_record_come_back_bit_for_bit():
    moments = [1e300, 5e-324, 0.1, math.nan, -math.nan, 2**53, 1, 0]
    record = Record(0, 0.0, {"b/gamma": sketch(*moments)})
    parsed = metadata.parse_record(metadata.encode_record(record, MODEL.variables), MODEL.variables)

    assert_same_sketch(parsed.gradients["b/gamma"], record.gradients["b/gamma"])


def test_a_record_without_any_gradient_is_parsed_back():
    record = Record(3, 1.0, {}, ("b/gamma",))
    parsed = metadata.parse_record(metadata.encode_record(record, MODEL.variables), MODEL.variables)

    assert parsed == record


def test_a_sketch_of_nothing_is_parsed_back():
    empty = sketch(0, 0, 0, math.nan, math.nan, 0, 0, 0, buckets=[], counts=[])
    gradients = {"a/dense/kernel": empty, "b/gamma": sketch(), "a/dense/bias": empty}
    record = Record(3, 1.0, gradients)
    parsed = metadata.parse_record(metadata.encode_record(record, MODEL.variables), MODEL.variables)

    assert list(parsed.gradients) == list(gradients)
    for path, expected in gradients.items():
        assert_same_sketch(parsed.gradients[path], expected)


def with_version(version):
    return json.dumps({**json.loads(metadata.encode_model(MODEL)), "format_version": version})


def test_a_newer_version_is_refused():
    with pytest.raises(metadata.FormatVersionError) as caught:
        metadata.parse_model(with_version(7).encode())

    assert str(caught.value) == (
        "This log has format version 7, and the installed vg_keras reads versions up to 1. "
        "Upgrade vg_keras to read it."
    )


def test_a_newer_version_is_refused_even_if_all_else_is_different():
    with pytest.raises(metadata.FormatVersionError):
        metadata.parse_model(b'{"format_version": 2}')


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
def test_what_is_no_model_is_said_to_be_damaged(payload):
    with pytest.raises(metadata.CorruptPayloadError) as caught:
        metadata.parse_model(payload)

    assert str(caught.value).startswith("The description of the model is damaged: ")


def payload_with(**changes):
    """The payload of an empty record with other arrays; None leaves one out."""
    file = io.BytesIO(zlib.decompress(metadata.encode_record(Record(0, 0.0, {}), ())))
    arrays = {name: np.load(file) for name in np.load(file).tolist()}
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
        metadata.encode_record(Record(0, 0.0, {}), ())[:-1],
        payload_with(step=None),
        payload_with(moments=None),
        payload_with(step=np.array([1, 2])),
        payload_with(step=np.array([object()], dtype=object)),
        payload_with(without_gradient=np.array([5])),
    ],
)
def test_what_is_no_record_is_said_to_be_damaged(payload):
    with pytest.raises(metadata.CorruptPayloadError) as caught:
        metadata.parse_record(payload, ("w",))

    assert str(caught.value).startswith("A record is damaged: ")


def test_a_tag_is_kind_and_path():
    assert metadata.tag(metadata.GRADIENT_NORM, "dense/kernel") == "gradient_norm/dense/kernel"


@pytest.mark.parametrize(
    ("buckets", "expected"), [([5], 0.25), ([5, 1020], math.nan), ([5, 2044], math.nan)]
)
def test_the_norm_is_plotted_unless_a_value_is_not_finite(buckets, expected):
    plotted = metadata.norm_to_plot(
        sketch(0, 0, 0.25, 0, 0, 0, 0, 0, buckets=buckets, counts=[1] * len(buckets))
    )

    assert plotted == pytest.approx(expected, nan_ok=True)
