"""Local and remote file systems answer alike, and their errors are worded alike."""

import errno
import sys
import uuid

import pytest
import tensorflow as tf

from vg_keras.log.storage import (
    absolute,
    directory_of_copy,
    file_errors,
    is_remote,
    reason_of,
    storage_of,
    unwritable,
)


@pytest.fixture(params=["local", "remote"])
def directory(request, tmp_path):
    """A directory that exists; the remote one is in the memory of TensorFlow."""
    if request.param == "local":
        return str(tmp_path)
    path = f"ram://{uuid.uuid4()}"
    tf.io.gfile.makedirs(path)
    return path


def write(path, data=b"data"):
    with storage_of(path).open(path, "wb") as file:
        file.write(data)


def test_a_file_is_written_read_and_removed(directory):
    path, storage = f"{directory}/file", storage_of(directory)
    before = storage.is_file(path)
    write(path, b"one\ntwo")
    during = storage.is_file(path)
    with storage.open(path, "rb") as file:
        contents = file.read()
    storage.remove(path)

    assert (before, during, storage.is_file(path)) == (False, True, False)
    assert contents == b"one\ntwo"
    assert not storage.is_file(directory)


def test_event_files_are_listed_in_order(directory):
    names = ["events.out.tfevents.2.host", "events.out.tfevents.1.host", "my.tfevents", "other"]
    for name in names:
        write(f"{directory}/{name}")
    storage = storage_of(directory)

    assert storage.event_files(directory) == [f"{directory}/{name}" for name in sorted(names[:3])]
    assert storage.event_files(f"{directory}/missing") == []


def test_a_directory_of_that_name_is_no_event_file(tmp_path):
    (tmp_path / "old.tfevents").mkdir()
    write(str(tmp_path / "new.tfevents"))

    assert storage_of(str(tmp_path)).event_files(str(tmp_path)) == [str(tmp_path / "new.tfevents")]


def test_a_directory_is_made_with_those_above_it_and_is_new_once(directory):
    path, storage = f"{directory}/a/b", storage_of(directory)
    found = [storage.make_directory(path) for _ in range(2)]

    assert found == [True, False]
    assert tf.io.gfile.isdir(path)


def test_no_directory_can_be_made_inside_of_a_file(tmp_path):
    (tmp_path / "file").touch()
    path = str(tmp_path / "file" / "a" / "b")
    with pytest.raises(NotADirectoryError) as caught:
        storage_of(path).make_directory(path)

    assert caught.value.errno == errno.ENOTDIR
    assert reason_of(caught.value).startswith(str(tmp_path / "file"))


def test_a_copy_has_the_first_free_directory(directory):
    storage_of(directory).make_directory(f"{directory}/copy_2")
    found = [directory_of_copy(directory) for _ in range(3)]

    assert found == [f"{directory}/copy_{number}" for number in (1, 3, 4)]


def test_a_copy_whose_directory_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    log_dir = str(tmp_path / "file")
    with pytest.raises(ValueError, match="`log_dir` must be") as caught:
        directory_of_copy(log_dir)

    assert f"Received: log_dir={log_dir!r}. {log_dir} is not a directory. " in str(caught.value)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (tf.errors.NotFoundError(None, None, "no such bucket."), "no such bucket"),
        (ValueError("odd..."), "odd"),
        (OSError("plain"), "plain"),
    ],
)
def test_the_reason_is_what_the_error_says_without_a_period(error, reason):
    assert reason_of(error) == reason
    assert f"Received: log_dir='logs'. {reason}. Use" in str(unwritable("logs", error))


def test_a_path_with_a_scheme_is_remote_and_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert [is_remote(p) for p in ("gs://a/b", "ram://a", "a/b", "/a", "c:/a")] == [
        *[True] * 2,
        *[False] * 3,
    ]
    assert absolute("gs://a/../b") == "gs://a/../b"
    assert absolute("a/../b") == str(tmp_path / "b")


def test_errors_of_tensorflow_count_where_it_is_loaded(monkeypatch):
    with_it = file_errors()
    monkeypatch.delitem(sys.modules, "tensorflow")

    assert with_it == (OSError, tf.errors.OpError)
    assert file_errors() == (OSError,)
