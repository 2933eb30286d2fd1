"""Examines logs: gives the verdicts that the monitor gave while it wrote them.

Records are read one by one, so that a log may exceed the memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vg_keras.log.reader import (
    OnProgress,
    OnSkipped,
    check_has,
    follow,
    logs_in,
    no_training_run,
    read_each,
)
from vg_keras.record import Training
from vg_keras.rules.examination import Examination
from vg_keras.rules.rule import Rule
from vg_keras.rules.verdict import Verdict


@dataclass(frozen=True)
class Examined:
    """The verdict on one training run of a log.

    Args:
        log: The path of the log.
        training: The training run, without its records.
        verdict: The verdict.
        damage: One sentence for each part of the log that could not be read.
    """

    log: str
    training: Training
    verdict: Verdict
    damage: tuple[str, ...]


def examine_log(
    path: str,
    rules: Sequence[Rule] = (),
    ignore: Iterable[str] = (),
    on_progress: OnProgress | None = None,
    training_id: str | None = None,
    on_skipped: OnSkipped | None = None,
) -> Iterator[Examined]:
    """Yields the verdict on each training run of a log and of all logs below it.

    Args:
        path: A log as in `vg_keras.read_run`, or a local directory that contains logs.
        rules: As in `Examination`.
        ignore: As in `Examination`.
        on_progress: Called with the path of a log and the fraction of it that was read.
        training_id: The id of the training run to examine, if not all of them; `path` is its log.
        on_skipped: Called for each log without a training run, if another one has any.

    Raises:
        FileNotFoundError: If there is no log.
        FormatVersionError: If a newer version of vg_keras wrote the log.
        ValueError: If `ignore` names a rule that does not exist, or a log holds no training run, or
            not that one.
    """
    ignore = tuple(ignore)
    logs = logs_in(path) if training_id is None else [path]
    found = read_each(logs, lambda log: _examine(log, rules, ignore, on_progress), on_skipped)
    ids = [one.training.id for one in found]
    check_has(path, training_id, ids)
    yield from (one for one in found if training_id in (None, one.training.id))


def _examine(
    log: str,
    rules: Sequence[Rule],
    ignore: Sequence[str],
    on_progress: OnProgress | None,
) -> Iterator[Examined]:
    follower = follow(log)
    follower.check_exists()
    examinations: dict[str, Examination] = {}
    for training, record in follower.poll():
        if training.id not in examinations:
            examinations[training.id] = Examination(training, rules, ignore)
        examinations[training.id].update(record)
        if on_progress is not None:
            on_progress(log, follower.fraction_read)
    if not follower.trainings:
        raise no_training_run(log, follower.damage)
    for training in follower.trainings:
        examination = examinations.get(training.id) or Examination(training, rules, ignore)
        without_records = dataclasses.replace(training, records=())
        yield Examined(log, without_records, examination.verdict, follower.damage)
