"""Verdicts from a log are those of the run, record by record."""

import dataclasses
import math

import pytest
from handmade_logs import TRAINING, record_of, write_log

from vg_keras.rules import examine
from vg_keras.rules.examine_log import examine_log

SICK = [record_of(0), record_of(5, [1.0, math.nan])]


def test_a_log_gives_the_verdict_of_its_records(tmp_path):
    write_log(tmp_path / "gradients", SICK)
    (found,) = examine_log(str(tmp_path))

    assert found.verdict == examine(dataclasses.replace(TRAINING, records=tuple(SICK)))
    assert (found.log, found.training.id, found.damage) == (str(tmp_path), TRAINING.id, ())


def test_one_training_run_in_two_files_is_examined_as_one(tmp_path):
    for number, record in enumerate(SICK):
        name = f"events.out.tfevents.{number}.host"
        write_log(tmp_path / "gradients", [record], name=name)
    (found,) = examine_log(str(tmp_path))

    assert (found.verdict.num_records, found.verdict.first_step) == (2, 0)


def test_a_training_run_without_records_has_no_problem(tmp_path):
    write_log(tmp_path / "gradients", [])
    (found,) = examine_log(str(tmp_path))

    assert (found.verdict.num_records, found.verdict.diagnoses) == (0, ())


def test_a_directory_without_logs_is_rejected(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected a log directory"):
        list(examine_log(str(tmp_path)))
