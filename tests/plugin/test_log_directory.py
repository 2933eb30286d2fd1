"""Runs of GradientMonitor are found under their names in TensorBoard, and no others."""

import pytest
from handmade_logs import framed, record_of, write_log
from scripted_records import training_of

from vg_keras.log import charts
from vg_keras.plugin.log_directory import LogDirectory

FIRST, SECOND = training_of(id="first", began=1.0), training_of(id="second", began=2.0)


def test_runs_have_the_names_of_tensorboard(tmp_path):
    write_log(tmp_path / "a" / "gradients", [record_of(0)], FIRST)
    write_log(tmp_path / "b" / "probe", [record_of(0)], SECOND)
    write_log(tmp_path, [record_of(0)], SECOND)
    found = LogDirectory(str(tmp_path)).runs()

    assert list(found) == [".", "a/gradients", "b/probe"]
    assert [training.id for training in found["a/gradients"].trainings] == ["first"]
    assert found["a/gradients"].path == str(tmp_path / "a" / "gradients")


def test_other_event_files_are_no_runs(tmp_path):
    write_log(tmp_path / "train", [], None)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "events.out.tfevents.1").touch()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "tfevents.txt").write_text("nothing that TensorBoard would read")

    assert LogDirectory(str(tmp_path)).runs() == {}
    assert LogDirectory(str(tmp_path / "missing")).runs() == {}
    assert LogDirectory().runs() == {}


def test_runs_and_training_runs_that_are_added_are_found(tmp_path):
    directory = LogDirectory(str(tmp_path))
    before = directory.runs()
    (tmp_path / "gradients").mkdir()
    (tmp_path / "gradients" / "tfevents.1").touch()  # as just before the first record
    empty = directory.runs()
    write_log(tmp_path / "gradients", [record_of(0)], FIRST, name="tfevents.1")
    one = directory.runs()
    write_log(tmp_path / "gradients", [record_of(0)], SECOND, name="tfevents.2")
    two = directory.runs()

    assert before == empty == {}
    assert [training.id for training in one["gradients"].trainings] == ["first"]
    assert [training.id for training in two["gradients"].trainings] == ["first", "second"]


def test_a_directory_of_other_events_above_a_run_is_no_run(tmp_path):
    write_log(tmp_path / "all", [], None)
    write_log(tmp_path / "all" / "gradients", [record_of(0)], FIRST)

    assert list(LogDirectory(str(tmp_path)).runs()) == ["all/gradients"]


def test_a_run_that_is_removed_is_gone(tmp_path):
    file = write_log(tmp_path / "gradients", [record_of(0)], FIRST)
    directory = LogDirectory(str(tmp_path))
    before = directory.runs()
    file.unlink()

    assert list(before) == ["gradients"]
    assert directory.runs() == {}


def test_a_log_of_a_newer_version_is_listed_with_the_reason(tmp_path):
    file = write_log(tmp_path / "gradients", [record_of(0)], FIRST)
    event = charts.training_event(FIRST, 0, 1.0)
    for value in event.summary.value:
        value.tensor.string_val[0] = value.tensor.string_val[0].replace(
            b'"format_version": 3', b'"format_version": 9'
        )
    file.write_bytes(framed(event.SerializeToString()))
    (run,) = LogDirectory(str(tmp_path)).runs().values()

    assert run.trainings == ()
    assert run.error.startswith("This log has format version 9")


def test_links_are_followed_but_not_in_circles(tmp_path):
    write_log(tmp_path / "elsewhere" / "gradients", [record_of(0)], FIRST)
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(root)

    assert list(LogDirectory(str(root)).runs()) == ["linked/gradients"]


@pytest.mark.parametrize(
    ("specification", "names"),
    [
        ("one:{a},two:{b}", ["one/gradients", "two"]),
        ("{a}", ["gradients"]),
        ("one:{a},{b}", [".", "one/gradients"]),
    ],
)
def test_several_directories_can_be_named(tmp_path, specification, names):
    write_log(tmp_path / "a" / "gradients", [record_of(0)], FIRST)
    write_log(tmp_path / "b", [record_of(0)], SECOND)
    spec = specification.format(a=tmp_path / "a", b=tmp_path / "b")

    assert list(LogDirectory("", spec).runs()) == names


def test_remote_directories_are_named_and_not_read():
    directory = LogDirectory("gs://bucket/logs")
    several = LogDirectory("", "one:gs://bucket/logs,/tmp/nothing-here")

    assert directory.remote == ["gs://bucket/logs"]
    assert directory.runs() == {}
    assert several.remote == ["gs://bucket/logs"]
