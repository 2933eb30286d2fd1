"""`follow` continues where it stopped and yields every record once, whatever happens to the log."""

import pytest
from event_files import frames
from handmade_logs import record_of, write_log
from scripted_records import training_of
from small_models import CallAt, compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor, follow

FIRST, SECOND = training_of(id="first", began=1.0), training_of(id="second", began=2.0)


def polled(follower):
    return [(training.id, record.step) for training, record in follower.poll()]


def test_a_log_that_grows_byte_by_byte_yields_every_record_once(tmp_path):
    file = write_log(tmp_path, [record_of(step) for step in range(3)], FIRST)
    whole, bounds = file.read_bytes(), frames(file)
    follower, found, late = follow(tmp_path), [], []
    for size in range(0, len(whole) + 1, 7):
        file.write_bytes(whole[:size])
        found += polled(follower)
        if len(found) != max(sum(end <= size for _, end in bounds) - 1, 0):
            late.append(size)
    file.write_bytes(whole)
    found += polled(follower)

    assert found == [("first", 0), ("first", 1), ("first", 2)]
    assert late == []
    assert follower.damage == ()


def test_a_log_that_does_not_exist_yet_is_awaited(tmp_path):
    follower = follow(tmp_path / "logs")
    before = polled(follower)
    write_log(tmp_path / "logs" / "gradients", [record_of(0)], FIRST)

    assert before == []
    assert polled(follower) == [("first", 0)]
    assert polled(follower) == []


def test_an_added_file_is_found(tmp_path):
    write_log(tmp_path, [record_of(0)], FIRST, name="tfevents.1")
    follower = follow(tmp_path)
    before = polled(follower)
    write_log(tmp_path, [record_of(0), record_of(1)], SECOND, name="tfevents.2")

    assert before == [("first", 0)]
    assert polled(follower) == [("second", 0), ("second", 1)]
    assert [training.id for training in follower.trainings] == ["first", "second"]


def test_removing_a_file_keeps_what_was_read(tmp_path):
    file = write_log(tmp_path, [record_of(0)], FIRST)
    follower = follow(tmp_path)
    before = polled(follower)
    file.unlink()

    assert before == [("first", 0)]
    assert polled(follower) == []
    assert follower.trainings == (FIRST,)


def test_damage_to_a_length_is_reported_once(tmp_path):
    file = write_log(tmp_path, [record_of(0), record_of(1)], FIRST)
    whole, (start, _) = file.read_bytes(), frames(file)[2]
    file.write_bytes(whole[:start] + b"\xff" + whole[start + 1 :])
    follower = follow(tmp_path)
    found = [polled(follower) for _ in range(3)]

    assert found == [[("first", 0)], [], []]
    assert len(follower.damage) == 1


@pytest.mark.parametrize("place", ["logs", "logs/gradients"])
def test_following_a_fit_gives_the_records_as_they_are_written(tmp_path, place):
    monitor = GradientMonitor(tmp_path / "logs", "batch")
    follower, found = follow(tmp_path / place), []

    def look(model):
        assert monitor.records  # blocks until they are written
        found.append([record for _, record in follower.poll()])

    looks = [CallAt("on_train_batch_end", look, at=at) for at in (0, 2)]
    fit(compiled(mlp(depth=0)), *regression_data(4), [monitor, *looks])
    found.append([record for _, record in follower.poll()])

    assert [[record.step for record in part] for part in found] == [[0], [1, 2], [3]]
    assert [record for part in found for record in part] == monitor.records
    assert follower.trainings[0].cost.num_records == 4
