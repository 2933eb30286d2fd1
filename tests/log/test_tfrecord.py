"""TFRecords are those of TensorFlow, in both directions, and damage is noticed where it lies."""

import io
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.errors import DataLossError

from vg_keras.log.tfrecord import (
    BYTES_AROUND_DATA,
    LostRestError,
    TFRecord,
    framed,
    tfrecords,
)

DATA = [b"", b"\x00", b"one", bytes(range(256)) * 300]


def data_in(contents, start=0):
    return [record.data for record in tfrecords(io.BytesIO(contents), start)]


def test_tensorflow_reads_what_is_framed(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"".join(map(framed, DATA)))

    assert [data.numpy() for data in tf.data.TFRecordDataset(str(file))] == DATA


def test_what_tensorflow_writes_is_read(tmp_path):
    file = str(tmp_path / "file")
    with tf.io.TFRecordWriter(file) as writer:
        for data in DATA:
            writer.write(data)
    with Path(file).open("rb") as opened:
        found = list(tfrecords(opened))
    ends = [sum(len(d) + BYTES_AROUND_DATA for d in DATA[: n + 1]) for n in range(len(DATA))]

    assert found == [TFRecord(d, True, end) for d, end in zip(DATA, ends, strict=True)]


def test_reading_continues_where_the_last_record_ended():
    contents = b"".join(map(framed, DATA))
    first, second, *_ = tfrecords(io.BytesIO(contents))

    assert data_in(contents, second.end) == DATA[2:]
    assert next(tfrecords(io.BytesIO(contents), first.end)) == second
    assert data_in(contents, len(contents)) == []


def test_a_file_that_cannot_seek_is_read_all_the_same():
    class Remote:
        def __init__(self, contents):
            self.read = io.BytesIO(contents).read

    contents = framed(b"one") + framed(b"two")
    start = len(framed(b"one"))

    assert [r.data for r in tfrecords(Remote(contents), start)] == [b"two"]


@pytest.mark.parametrize("missing", [1, 4, 5, 8, 11, 18])
def test_an_incomplete_last_record_is_left_for_later(missing):
    contents = framed(b"first") + framed(b"two")
    found = list(tfrecords(io.BytesIO(contents[:-missing])))

    assert [(r.data, r.is_whole, r.end) for r in found] == [(b"first", True, len(framed(b"first")))]


def test_an_empty_file_holds_nothing():
    assert data_in(b"") == []


@pytest.mark.parametrize("place", [12, 14, 16])
def test_damaged_data_are_marked_and_the_next_record_is_read(tmp_path, place):
    contents = bytearray(framed(b"one") + framed(b"two"))
    contents[place] ^= 1
    (tmp_path / "file").write_bytes(contents)
    found = list(tfrecords(io.BytesIO(contents)))

    assert [r.is_whole for r in found] == [False, True]
    assert found[1].data == b"two"
    with pytest.raises(DataLossError):
        list(tf.data.TFRecordDataset(str(tmp_path / "file")))


@pytest.mark.parametrize("place", [0, 7, 8, 11])
@pytest.mark.parametrize("is_resumed", [False, True])
def test_behind_a_damaged_length_the_rest_is_lost(place, is_resumed):
    start = len(framed(b"one"))
    contents = bytearray(framed(b"one") + framed(b"two") + framed(b"three"))
    contents[start + place] ^= 1
    reader = tfrecords(io.BytesIO(contents), start if is_resumed else 0)
    found = [] if is_resumed else [next(reader).data]
    with pytest.raises(LostRestError) as caught:
        next(reader)

    assert found == ([] if is_resumed else [b"one"])
    assert f"last {len(contents) - start} bytes" in str(caught.value)
    assert f" {start} " in str(caught.value)
    assert isinstance(caught.value, ValueError)
