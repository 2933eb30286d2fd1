"""One record of each training run in a log, exactly the one that was asked for."""

import pytest
from handmade_logs import write_log
from logged_runs import record, training, write_two

from vg_keras.layer_quantities import LAYER_QUANTITIES
from vg_keras.log.reader import NoTrainingRunError
from vg_keras.logged_records import read_records

SIGNAL = LAYER_QUANTITIES["activation_gradients"]


@pytest.mark.parametrize(("step", "found"), [(None, 9), (4, 4), (100, 9)])
def test_the_last_record_that_is_not_later_is_read(tmp_path, step, found):
    healthy, _ = write_two(tmp_path)
    (one,) = read_records(str(healthy), step)

    assert one.numbers.step == found
    assert one.values(SIGNAL) == {"net/a": 0.5, "net/b": 1.0, "net/c": 1.0}
    assert one.profile(SIGNAL).steps.tolist() == [found]
    assert "gradients" in one.recorded
    assert one.notes == ()


def test_one_training_run_can_be_chosen(tmp_path):
    for number in range(2):
        described = training(id=f"run-{number}", began=float(number))
        records = [record(5 * number, 1, 2, 3)]
        write_log(tmp_path / "gradients", records, described, name=f"{number}.tfevents.1.h")
    both, one = read_records(str(tmp_path)), read_records(str(tmp_path), None, "run-1")

    assert [found.training.id for found in both] == ["run-0", "run-1"]
    assert [found.training.id for found in one] == ["run-1"]
    assert read_records(str(tmp_path), 3, "run-1") == []
    with pytest.raises(ValueError, match=r"no training run 'run-2' in .* run-0, run-1\.$"):
        read_records(str(tmp_path), None, "run-2")


def test_a_log_without_a_training_run_raises(tmp_path):
    (tmp_path / "events.out.tfevents.1.h").touch()
    with pytest.raises(NoTrainingRunError, match="There is no training run"):
        read_records(str(tmp_path))


def test_progress_is_reported(tmp_path):
    healthy, _ = write_two(tmp_path)
    seen = []
    read_records(str(healthy), on_progress=lambda log, fraction: seen.append((log, fraction)))

    assert {log for log, _ in seen} == {str(healthy)}
    assert 0 < seen[0][1] < seen[-1][1] <= 1
