"""Logs are read on as they grow, for a bounded time, and dropped when they take too much memory."""

import shutil

from flow_logs import RECORDS, record_at, training, write, write_with_verdict

from vg_keras.plugin.open_logs import OpenLog, OpenLogs


def steps_of(log):
    return log.columns(training(), "gradients", 0, None, 100).steps.tolist()


def test_a_log_that_grows_is_read_on(tmp_path):
    log = OpenLog(str(tmp_path))
    log.read_on(10)
    before = (steps_of(log), log.is_complete)
    write(tmp_path, RECORDS[:2])
    log.read_on(10)
    some = steps_of(log)
    write(tmp_path)
    log.read_on(10)

    assert before == ([], True)
    assert some == [0, 5]
    assert steps_of(log) == [0, 5, 10, 20]
    assert log.fraction_read == 1
    assert list(log.trainings) == [training().id]


def test_what_lies_below_is_another_run(tmp_path):
    write(tmp_path, RECORDS[:1])
    write(tmp_path / "gradients", RECORDS, number=2)
    log = OpenLog(str(tmp_path))
    log.read_on(10)

    assert steps_of(log) == [0]
    assert list(log.trainings) == [training().id]


def test_reading_stops_when_the_time_is_over_and_goes_on_later(tmp_path):
    write(tmp_path)
    log = OpenLog(str(tmp_path))
    log.read_on(0)
    first = (steps_of(log), log.is_complete, 0 < log.fraction_read < 1)
    for _ in range(3):
        log.read_on(0)
    almost = log.is_complete
    log.read_on(0)

    assert first == ([0], False, True)
    assert steps_of(log) == [0, 5, 10, 20]
    assert (almost, log.is_complete) == (False, True)


def test_a_whole_record_can_be_read_again_unless_it_is_gone(tmp_path):
    file = write(tmp_path)
    log = OpenLog(str(tmp_path))
    log.read_on(10)
    places = log.columns(training(), "gradients", 0, None, 100).places
    found = [log.record(training(), place) for place in places]
    file.unlink()

    assert found == list(RECORDS)
    assert log.record(training(), places[0]) is None


def test_the_verdict_in_the_log_is_kept(tmp_path):
    writer = write_with_verdict(tmp_path, RECORDS[:1])
    log = OpenLog(str(tmp_path))
    log.read_on(10)
    (first,) = log.trainings.values()
    writer.close()

    assert [diagnosis.code for diagnosis in first.verdict.diagnoses] == ["VG101", "VG201"]


def test_logs_are_kept_until_their_files_are_gone(tmp_path):
    write(tmp_path / "a")
    logs = OpenLogs()
    log = logs.get(str(tmp_path / "a"))
    log.read_on(10)
    again = logs.get(str(tmp_path / "a"))
    shutil.rmtree(tmp_path / "a")
    write(tmp_path / "a", RECORDS[:1], name="tfevents.2")
    other = logs.get(str(tmp_path / "a"))
    other.read_on(10)

    assert again is log
    assert other is not log
    assert steps_of(other) == [0]


def test_the_logs_used_least_recently_are_dropped(tmp_path):
    for name in "abc":
        write(tmp_path / name, [record_at(step, [1, 1, 1]) for step in range(20)])
    one = OpenLog(str(tmp_path / "a"))
    one.read_on(10)
    logs = OpenLogs(max_bytes=int(2.5 * one.num_bytes))
    opened = {}
    for name in ("a", "b", "a", "c"):
        opened[name] = logs.get(str(tmp_path / name))
        opened[name].read_on(10)
    logs.get(str(tmp_path / "c"))  # what was read counts from the next request on

    assert logs.get(str(tmp_path / "a")) is opened["a"]
    assert logs.get(str(tmp_path / "b")) is not opened["b"]
