"""Keeps records in memory and writes them to the event files of their training run.

A log is one TensorBoard run. It receives the records of one training run after another, each with
its own description.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import secrets
import shlex
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from vg_keras.cost import Cost
from vg_keras.log.reader import read_training
from vg_keras.log.storage import file_errors, is_remote, storage_of
from vg_keras.log.writer import RecordWriter
from vg_keras.quantities import SKETCHES
from vg_keras.record import ModelDescription, Record, Run, Settings, Training
from vg_keras.rules.diagnosis import Diagnosis
from vg_keras.rules.examination import Examination
from vg_keras.rules.verdict import Verdict

MAX_BYTES = 100_000_000
"""Bytes of memory that the records of a log may take. A record of 8 layers takes 80 kB, one of 200
layers 2 MB."""


@dataclass(frozen=True)
class Beginning:
    """The fields of a `Training` that are known before its first record."""

    id: str
    began: float
    settings: Settings
    resumed_from: int | None = None


def new_id(began: float) -> str:
    """Returns an id for a training run: its UTC time and four random digits."""
    time = datetime.datetime.fromtimestamp(began, datetime.UTC)
    return f"{time:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass
class _Kept:
    """A training run in memory.

    Args:
        training: The description of the training run, without records.
        records: The records that are in memory.
        num_records: The number of all its records.
        paths: The paths of its event files.
        examination: Looks for problems in its records, or None if nothing does.
        past_verdict: The verdict so far, if the examination has ended; None if there was none.
    """

    training: Training
    records: list[Record] = field(default_factory=list)
    num_records: int = 0
    paths: list[str] = field(default_factory=list)
    examination: Examination | None = None
    past_verdict: Verdict | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on all its records, or None if no rules are applied."""
        return self.past_verdict if self.examination is None else self.examination.verdict

    @property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """The problems of all its records, without what else the verdict computes."""
        source = self.past_verdict if self.examination is None else self.examination
        return () if source is None else source.diagnoses

    def as_training(self) -> Training:
        """Returns the training run with all its records, in memory or on disk."""
        records = tuple(self.records)
        kept = dataclasses.replace(self.training, records=records, verdict=self.verdict)
        if len(self.records) == self.num_records or not self.paths:
            return kept
        try:
            read = read_training(self.paths)
        except (OSError, ValueError):
            return kept
        if read is None or len(read.records) <= len(kept.records):
            return kept
        return dataclasses.replace(read, verdict=kept.verdict)


class TrainingLog:
    """The training runs of one TensorBoard run.

    Args:
        run_name: The name of the TensorBoard run, a subdirectory of the log directory.
        kinds: Which charts to write, a subset of `charts.KINDS`.
        examine: Returns what looks for problems in the records of a training run, or None.

    Attributes:
        on_problem: Called with each new problem, in the thread that adds the record.
    """

    def __init__(
        self,
        run_name: str,
        kinds: Collection[str],
        examine: Callable[[Training], Examination] | None = None,
    ) -> None:
        self.run_name = run_name
        self._kinds = kinds
        self._examine = examine
        self.on_problem: Callable[[Diagnosis], None] | None = None
        self._failed_rules: set[str] = set()
        self._kept: list[_Kept] = []
        self._beginning: Beginning | None = None
        self._directory: str | None = None
        self._warn: Callable[[str], None] = warnings.warn
        self._writer: RecordWriter | None = None
        self._bytes = 0
        self._bytes_closed = 0
        self._num_of_earlier_models = 0
        self._introduced: set[str] = set()

    @property
    def num_bytes(self) -> int:
        """Bytes written to event files since `reset`."""
        return self._bytes_closed + (self._writer.num_bytes if self._writer else 0)

    @property
    def run(self) -> Run:
        """All training runs. Records that were dropped from memory are read from the log."""
        directory = self._directory
        path = directory if directory is None or is_remote(directory) else Path(directory)
        return Run(path, tuple(kept.as_training() for kept in self._kept))

    @property
    def verdict(self) -> Verdict:
        """The verdict on the training run that began last."""
        return (self._kept[-1].verdict if self._kept else None) or Verdict()

    @property
    def records(self) -> list[Record]:
        """The records of the current model that are in memory.

        Steps that a resumed training run repeated come from the later run.
        """
        found: list[Record] = []
        for kept in self._kept[self._num_of_earlier_models :]:
            resumed_from = kept.training.resumed_from
            if resumed_from is not None:
                found = [record for record in found if record.step < resumed_from]
            found += kept.records
        return found

    def open(
        self, log_dir: str, suffix: str = "", warn: Callable[[str], None] = warnings.warn
    ) -> None:
        """Prepares to write event files.

        Args:
            log_dir: Directory of the TensorBoard log.
            suffix: Appended to the name of the run.
            warn: Called with a message for the user.

        Raises:
            ValueError: If no event file can be created in `log_dir`.
        """
        self.close()
        self._directory, self._warn = os.path.join(log_dir, self.run_name + suffix), warn
        self._writer = RecordWriter(self._directory, self._kinds, warn)

    @property
    def command(self) -> str | None:
        """The command that shows the log in TensorBoard, or None if there is no log."""
        if self._directory is None:
            return None
        return f"tensorboard --logdir {shlex.quote(os.path.dirname(self._directory))}"

    def introduction(self) -> str | None:
        """Returns a message with the location of the log, the first time it is called."""
        directory = self._directory
        if directory is None or directory in self._introduced:
            return None
        self._introduced.add(directory)
        try:
            num_others = len(storage_of(directory).event_files(directory))
        except file_errors():  # not worth ending the training run
            num_others = 0
        files = "event file" if num_others == 1 else "event files"
        others = f", which already holds {num_others} {files} of earlier training runs"
        separately = (
            " TensorBoard draws all of them in the same charts; use another `log_dir` to keep them "
            "apart. `read_run` keeps them apart in any case."
        )
        return (
            f"GradientMonitor writes to {directory}{others if num_others else ''}."
            f"{separately if num_others else ''} "
            f"To look at it: {self.command}"
        )

    def reset(self) -> None:
        """Prepares for another model."""
        self._num_of_earlier_models = len(self._kept)
        self._beginning = None
        self._bytes_closed = 0

    def begin(self, beginning: Beginning) -> None:
        """Begins a training run, or continues the one with the same id."""
        self._beginning = beginning

    def add(self, record: Record, model: ModelDescription, has_histograms: bool = True) -> None:
        """Adds a record. If there are too many, every second one is dropped from memory.

        Args:
            record: The record.
            model: The model that it describes.
            has_histograms: Whether to write it with histograms.
        """
        kept = self._kept_of(record, model)
        kept.records.append(record)
        kept.num_records += 1
        self._bytes += bytes_of(record)
        self._drop_some()
        self._look_for_problems(record, kept)
        if self._writer is not None:
            if self._writer.path not in kept.paths:
                kept.paths.append(self._writer.path)
            self._writer.write(
                record, kept.training, has_histograms, kept.diagnoses, lambda: kept.verdict
            )

    def _look_for_problems(self, record: Record, kept: _Kept) -> None:
        if kept.examination is None:
            return
        new = kept.examination.update(record)
        for failed in kept.examination.not_applied:
            if failed.error and failed.code not in self._failed_rules:
                self._failed_rules.add(failed.code)
                self._warn(f"{failed} Training goes on, and the other rules are applied.")
        for diagnosis in new:
            if self.on_problem is not None:
                self.on_problem(diagnosis)

    def close(self, cost: Cost | None = None) -> None:
        """Closes the event file.

        Args:
            cost: The cost of recording, to be stored with the training run.
        """
        if cost is not None and self._kept and self._is_present(self._kept[-1]):
            self._kept[-1].training = dataclasses.replace(self._kept[-1].training, cost=cost)
            if self._writer is not None:
                self._writer.write_cost(cost)
        self._close_file()

    def _close_file(self) -> None:
        if self._writer is not None:
            for kept in self._kept[-1:]:
                self._writer.finish(kept.diagnoses, kept.num_records, kept.verdict)
            self._writer.close()
            self._bytes_closed += self._writer.num_bytes
            self._writer = None

    def _is_present(self, kept: _Kept) -> bool:
        return self._beginning is not None and kept.training.id == self._beginning.id

    def _kept_of(self, record: Record, model: ModelDescription) -> _Kept:
        """Returns the current training run in memory, which begins with its first record."""
        beginning = self._beginning or _unknown(record)
        last = self._kept[-1] if self._kept else None
        if last is None or not self._is_present(last):
            return self._keep(beginning, record, model)
        if last.training.model is not model and last.training.model != model:
            self._begin_file()
            return self._keep(_next(beginning, record), record, model)
        return last

    def _keep(self, beginning: Beginning, record: Record, model: ModelDescription) -> _Kept:
        self._beginning = beginning
        examples = record.examples.get(model.outputs[0]) if model.outputs else None
        training = Training(
            beginning.id,
            beginning.began,
            model,
            dataclasses.replace(beginning.settings, batch_size=examples),
            resumed_from=beginning.resumed_from,
        )
        examination = None if self._examine is None else self._examine(training)
        self._kept.append(_Kept(training, examination=examination))
        return self._kept[-1]

    def _begin_file(self) -> None:
        """Continues in a new event file: each holds the records of a single training run."""
        if self._writer is not None and self._directory is not None:
            self._close_file()
            self._writer = RecordWriter(self._directory, self._kinds, self._warn)

    def _drop_some(self) -> None:
        """Drops every second record of all training runs, but neither the first nor the last."""
        while self._bytes > MAX_BYTES:
            places = [(kept, record) for kept in self._kept for record in kept.records]
            if len(places) <= 2:
                return
            for kept in self._kept:
                kept.records = []
            for kept, record in [*places[:-1:2], places[-1]]:
                kept.records.append(record)
            self._bytes = sum(bytes_of(record) for kept in self._kept for record in kept.records)

    def copied(self) -> TrainingLog:
        """Returns the log for a copy of the monitor: the records, but no open file."""
        copy = TrainingLog(self.run_name, self._kinds, self._examine)
        copy._kept = [
            dataclasses.replace(
                kept,
                records=list(kept.records),
                paths=list(kept.paths),
                examination=None,
                past_verdict=kept.verdict,
            )
            for kept in self._kept
        ]
        copy._num_of_earlier_models = self._num_of_earlier_models
        copy._bytes = self._bytes
        return copy


def _next(beginning: Beginning, record: Record) -> Beginning:
    """Returns the beginning of the next training run, if `fit` compiles the model again."""
    first, _, number = beginning.id.partition(".")
    return dataclasses.replace(
        beginning, id=f"{first}.{int(number or 1) + 1}", began=record.wall_time, resumed_from=None
    )


def _unknown(record: Record) -> Beginning:
    return Beginning(new_id(record.wall_time), record.wall_time, Settings())


_BYTES_OF_RECORD, _BYTES_OF_SKETCH = 3800, 700
"""Bytes of Python objects per record, and per sketch besides its two arrays (on Python 3.11)."""


def bytes_of(record: Record) -> int:
    """Returns roughly the number of bytes that a record takes in memory."""
    sketches = [
        sketch for quantity in SKETCHES for sketch in getattr(record, quantity.name).values()
    ]
    contents = sum(s.nonzero_buckets.nbytes + s.nonzero_counts.nbytes for s in sketches)
    return contents + _BYTES_OF_RECORD + _BYTES_OF_SKETCH * len(sketches)
