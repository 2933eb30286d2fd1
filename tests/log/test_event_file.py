"""Records are found before they are parsed, and can be read again from their place."""

import itertools

from handmade_logs import record_of, write_log
from scripted_records import training_of

from vg_keras import follow
from vg_keras.log import format as log_format
from vg_keras.log.event_file import record_at
from vg_keras.log.storage import storage_of
from vg_keras.log.writer import RecordWriter
from vg_keras.rules.verdict import Verdict


def test_a_record_can_be_read_again_from_its_place(tmp_path):
    records = [record_of(step, [step + 1.0]) for step in range(4)]
    path = str(write_log(tmp_path, records))
    found = list(follow(tmp_path).poll_stored())
    again = [record_at(storage_of(path), s.path, s.start, s.training.model) for s in found]

    assert [stored.step for stored in found] == [0, 1, 2, 3]
    assert again == records


def test_what_is_no_longer_there_or_is_no_record_is_none(tmp_path):
    path = str(write_log(tmp_path, [record_of(0)]))
    model = training_of().model
    end = (tmp_path / path).stat().st_size

    assert record_at(storage_of(path), path, end, model) is None
    assert record_at(storage_of(path), path, 0, model) is None


def test_a_damaged_record_is_reported_and_none(tmp_path):
    write_log(tmp_path, [record_of(0), record_of(1)])
    follower = follow(tmp_path)
    first, second = follower.poll_stored()

    def fails(payload, model):
        raise log_format.CorruptPayloadError("The record is damaged.")

    assert first.parsed(fails) is None
    assert second.parsed(log_format.parse_record) == record_of(1)
    assert [text.partition(": ")[2] for text in follower.damage] == [
        "event 1 is damaged and skipped. The record is damaged."
    ]


def test_records_that_were_not_taken_come_with_the_next_poll(tmp_path):
    write_log(tmp_path, [record_of(step) for step in range(5)])
    follower = follow(tmp_path)
    first = [stored.step for stored in itertools.islice(follower.poll_stored(), 2)]
    rest = [stored.step for stored in follower.poll_stored()]

    assert first + rest == [0, 1, 2, 3, 4]
    assert follower.trainings[0].verdict is None


def test_the_last_verdict_of_a_file_counts(tmp_path):
    writer = RecordWriter(str(tmp_path / "gradients"), [])
    training = training_of()
    for step in range(9):
        writer.write(record_of(step), training, verdict=lambda: Verdict(last_step=step))  # noqa: B023
    during = follow(tmp_path)
    list(during.poll_stored())
    writer.finish((), 9, Verdict(last_step=8))
    writer.close()
    after = follow(tmp_path)
    list(after.poll_stored())

    assert during.trainings[0].verdict.last_step == 8  # written with the first, 3rd and 9th record
    assert after.trainings[0].verdict.last_step == 8
