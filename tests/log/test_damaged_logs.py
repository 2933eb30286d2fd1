"""From a truncated or damaged log all intact records are read; the others are reported."""

import pytest
from event_files import frames
from handmade_logs import record_of, write_log
from scripted_records import MODEL, all_contents

from vg_keras import read_run


def records_of(run):
    return [record for training in run.trainings for record in training.records]


def models_of(run):
    return [training.model for training in run.trainings]


def test_a_log_truncated_at_any_byte_keeps_all_complete_records(tmp_path):
    records = [record_of(step) for step in range(2)]
    file = write_log(tmp_path, records)
    whole = file.read_bytes()
    bounds = frames(file)
    wrong = []
    for size in range(bounds[-2][0], len(whole) + 1):
        file.write_bytes(whole[:size])
        run = read_run(file)
        num_whole = sum(end <= size for _, end in bounds) - 1
        if all_contents(records_of(run)) != all_contents(records[:num_whole]) or run.damage:
            wrong.append(size)

    assert wrong == []


def test_a_log_truncated_within_the_model_description_is_empty(tmp_path):
    file = write_log(tmp_path, [record_of(0)])
    whole = file.read_bytes()
    for size in range(0, frames(file)[0][1], 7):
        file.write_bytes(whole[:size])
        run = read_run(file)
        assert (run.trainings, run.damage) == ((), ())


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """Damages one byte of two records and reads them: offset, event, and run or exception."""
    file = write_log(
        tmp_path_factory.mktemp("damaged"), [record_of(0), record_of(1)], kinds=["gradient_norm"]
    )
    whole, bounds = file.read_bytes(), frames(file)
    # Every byte of the model and of the second record, in three ways; the first is like the second.
    places = [*range(bounds[0][1]), *range(*bounds[2])]
    readings = []
    for flip in (0x01, 0x80, 0xFF):
        for place in places:
            file.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            event = next(i for i, (_, end) in enumerate(bounds) if place < end)
            try:
                run = read_run(file)
            except Exception as error:  # noqa: BLE001 - no exception at all is allowed
                run = error
            readings.append((place, event, run))
    return readings


def test_a_damaged_byte_never_raises(damaged):
    raised = {(place, repr(run)) for place, _, run in damaged if isinstance(run, Exception)}

    assert raised == set()


def test_a_damaged_byte_never_yields_a_wrong_record(damaged):
    right = all_contents([record_of(0), record_of(1)])
    runs = [(place, run) for place, _, run in damaged if not isinstance(run, Exception)]
    wrong = [p for p, run in runs if any(c not in right for c in all_contents(records_of(run)))]

    assert wrong == []


def test_a_damaged_byte_never_yields_a_wrong_model(damaged):
    runs = [(place, run) for place, _, run in damaged if not isinstance(run, Exception)]

    assert [place for place, run in runs if models_of(run) not in ([], [MODEL])] == []


def test_a_damaged_byte_that_loses_a_record_is_reported(damaged):
    runs = [(place, run) for place, _, run in damaged if not isinstance(run, Exception)]

    assert [place for place, run in runs if len(records_of(run)) < 2 and not run.damage] == []


def test_damage_to_one_record_loses_no_other(damaged):
    runs = [run for _, event, run in damaged if event == 2 and not isinstance(run, Exception)]

    assert {tuple(r.step for r in records_of(run)) for run in runs} == {(0,), (0, 1)}


def test_a_damaged_record_is_reported_by_file_and_number(tmp_path):
    file = write_log(tmp_path, [record_of(0), record_of(1)])
    whole = file.read_bytes()
    place = sum(frames(file)[2]) // 2  # within the compressed arrays of the second record
    file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    run = read_run(file)

    assert [record.step for record in records_of(run)] == [0]
    assert len(run.damage) == 1
    assert run.damage[0].startswith(
        "events.out.tfevents.1.host: event 2 is damaged and skipped. The record is damaged: "
    )


def test_a_damaged_length_loses_the_rest_of_the_file_and_is_reported(tmp_path):
    file = write_log(tmp_path, [record_of(0), record_of(1), record_of(2)])
    whole, (start, _) = file.read_bytes(), frames(file)[2]
    file.write_bytes(whole[:start] + b"\xff" + whole[start + 1 :])
    run = read_run(file)

    assert [record.step for record in records_of(run)] == [0]
    assert run.damage == (
        f"{file.name}: the last {len(whole) - start} bytes, from offset {start} on, are damaged.",
    )


def test_a_damaged_model_is_reported_and_its_records_are_left_out(tmp_path):
    file = write_log(tmp_path, [record_of(0)])
    file.write_bytes(file.read_bytes().replace(b"small", b"snall"))
    run = read_run(file)

    assert run.trainings == ()
    assert run.damage == (
        f"{file.name}: event 0 is damaged and skipped. Its checksum does not match.",
        (
            f"{file.name}: event 1 is damaged and skipped. "
            "No description of a training run precedes it."
        ),
    )


def test_a_damaged_file_does_not_affect_other_files(tmp_path):
    damaged = write_log(tmp_path, [record_of(0), record_of(1)], name="tfevents.1")
    write_log(tmp_path, [record_of(2)], name="tfevents.2")
    damaged.write_bytes(b"\xff" + damaged.read_bytes()[1:])
    run = read_run(tmp_path)

    assert [record.step for record in records_of(run)] == [2]
    assert len(run.damage) == 1
