"""Training runs are found by the paths of their logs and by their ids, and get short names."""

import math

import pytest
from handmade_logs import write_log
from logged_runs import record, training, write_two

from vg_keras.logged_runs import find_all, find_latest, read


def read_all(paths, on_progress=None):
    return read(find_all(paths), on_progress)


def read_latest(paths):
    return read(find_latest(paths))


def names_of(runs):
    return [run.name for run in runs]


@pytest.fixture
def twice(tmp_path):
    """A log with two training runs."""
    for number, name in enumerate("ab"):
        described = training(id=f"run-{name}", began=float(number))
        write_log(tmp_path / "gradients", [record(number, 1, 2, 3)], described, f"tfevents.{name}")
    return tmp_path


def test_all_training_runs_below_a_directory_are_read(tmp_path):
    write_two(tmp_path)
    healthy, sick = read_all([str(tmp_path)])

    assert names_of([healthy, sick]) == ["healthy", "sick"]
    assert healthy.table.num_records == 10
    assert healthy.losses[1] == (1, 1.9)
    assert math.isnan(sick.losses[-1][1])
    assert healthy.last_record == record(9, 0.5, 1.0, 1.0, loss=1.1)


def test_training_runs_of_one_log_are_numbered(twice):
    assert names_of(read_all([str(twice)])) == [f"{twice.name} #1", f"{twice.name} #2"]


def test_an_id_chooses_a_training_run(twice):
    (run,) = read_all([f"{twice}@run-a"])

    assert (run.training.id, run.name) == ("run-a", twice.name)


def test_of_two_the_latest_is_taken_unless_another_is_named(twice):
    chosen = read_latest([str(twice), f"{twice}@run-a"])

    assert [run.training.id for run in chosen] == ["run-b", "run-a"]


def test_an_unknown_id_is_answered_with_the_known_ones(twice):
    with pytest.raises(ValueError, match=r"no training run 'c' in .*\. There are: run-a, run-b\.$"):
        read_latest([f"{twice}@c"])


def test_a_directory_may_have_an_at_sign(tmp_path):
    healthy, _ = write_two(tmp_path / "a@b")

    assert names_of(read_all([str(healthy)])) == ["healthy"]


def test_a_log_that_is_named_twice_is_read_once(tmp_path):
    healthy, _ = write_two(tmp_path)

    assert names_of(read_all([str(healthy), f"{healthy}/", str(tmp_path)])) == ["healthy", "sick"]


def test_logs_of_the_same_name_are_told_apart(tmp_path):
    for name in ("one", "two"):
        write_log(tmp_path / name / "log" / "gradients", [record(0, 1, 2, 3)], training())

    assert names_of(read_latest([str(tmp_path / n / "log") for n in ("one", "two")])) == [
        "one/log",
        "two/log",
    ]


def test_a_log_without_a_training_run_raises(tmp_path):
    write_log(tmp_path / "gradients", [], training=None)

    with pytest.raises(ValueError, match="There is no training run of GradientMonitor in"):
        read_all([str(tmp_path)])


def test_a_training_run_without_records_has_none(tmp_path):
    write_log(tmp_path / "gradients", [], training())
    (run,) = read_all([str(tmp_path)])

    assert run.table.num_records == 0
    assert run.last_record is None


def test_damage_is_reported(tmp_path):
    healthy, _ = write_two(tmp_path)
    (file,) = (healthy / "gradients").iterdir()
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    (run,) = read_all([str(healthy)])

    assert len(run.damage) == 1


def test_progress_is_reported(tmp_path):
    healthy, _ = write_two(tmp_path)
    reported = []
    read_all([str(healthy)], lambda log, fraction: reported.append((log, fraction)))

    assert {log for log, _ in reported} == {str(healthy)}
    assert reported[-1][1] == 1.0
    assert 0 < reported[0][1] < 1
