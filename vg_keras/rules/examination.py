"""Applies rules to the records of a training run, one after the other.

Live and from a log, each record is seen once and in order, so the verdicts are the same.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import math
from collections.abc import Iterable, Sequence

from vg_keras.record import Record, Training
from vg_keras.rules.diagnosis import Diagnosis
from vg_keras.rules.registry import RULES
from vg_keras.rules.rule import Finding, NotApplied, Rule, hidden_layers
from vg_keras.rules.signal_by_depth import SignalByDepth
from vg_keras.rules.verdict import Verdict


class Examination:
    """The diagnoses of a training run, record by record.

    Args:
        training: The model and the settings of the training run. Its records are not read.
        rules: Rules that replace the default ones of the same code, such as
            `VanishingGradient(decades=4)`, or that are added to them.
        ignore: Codes of rules to silence, such as `VG201`, or `VG201:encoder/*` to silence a rule
            for the layers and variables whose path matches the pattern.

    Attributes:
        not_applied: The rules that are not applied because the run does not record what they need.

    Raises:
        ValueError: If `ignore` names a rule that does not exist.
    """

    def __init__(
        self, training: Training, rules: Sequence[Rule] = (), ignore: Iterable[str] = ()
    ) -> None:
        all_rules = {rule.code: rule for rule in (*RULES, *rules)}
        silenced = [entry.partition(":")[::2] for entry in ignore]
        if unknown := sorted({code for code, _ in silenced} - set(all_rules)):
            raise ValueError(
                f"`ignore` must name rules: {', '.join(sorted(all_rules))}. "
                f"Received: {', '.join(unknown)}."
            )
        self._ignored = {code: [p for c, p in silenced if c == code] for code, _ in silenced}
        audible = [
            rule for rule in all_rules.values() if "" not in self._ignored.get(rule.code, [])
        ]
        self.not_applied = tuple(
            NotApplied(rule.code, rule.name, missing)
            for rule in audible
            if (missing := rule.missing(training))
        )
        not_applied = {one.code for one in self.not_applied}
        applied = [rule for rule in audible if rule.code not in not_applied]
        self._watches = [(rule, rule.start(training)) for rule in applied]
        self._found: dict[str, Diagnosis] = {}
        self._hidden = hidden_layers(training.model)
        self._num_records = 0
        self._first: Record | None = None
        self._last: Record | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict on the records so far."""
        first, last = self._first, self._last
        signal = SignalByDepth.of(last, self._hidden) if last is not None else None
        return Verdict(
            self.diagnoses,
            self._num_records,
            None if first is None else first.step,
            None if last is None else last.step,
            math.nan if signal is None else 10**-signal.decades,
            self.not_applied,
        )

    @property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """All diagnoses so far, in the order of the rules."""
        codes = (rule.code for rule, _ in self._watches)
        return tuple(self._found[code] for code in codes if code in self._found)

    def update(self, record: Record) -> tuple[Diagnosis, ...]:
        """Examines the next record and returns the diagnoses that are new."""
        self._num_records += 1
        self._first, self._last = self._first or record, record
        new = []
        for rule, watch in self._watches:
            finding = watch(record)
            if finding is None or not (paths := self._heard(rule, finding)):
                continue
            if rule.code in self._found:
                earlier = self._found[rule.code]
                later = dataclasses.replace(earlier, last_step=record.step)
                self._found[rule.code] = later
            else:
                diagnosis = Diagnosis(
                    rule.code,
                    rule.name,
                    rule.severity,
                    finding.message,
                    paths,
                    record.step if finding.since is None else finding.since,
                    record.step,
                    finding.evidence,
                    finding.advice or rule.advice,
                    finding.cause,
                )
                self._found[rule.code] = diagnosis
                new.append(diagnosis)
        return tuple(new)

    def _heard(self, rule: Rule, finding: Finding) -> tuple[str, ...]:
        """Returns the paths of a finding for which the rule is not silenced."""
        patterns = self._ignored.get(rule.code, [])
        return tuple(
            path for path in finding.paths if not any(fnmatch.fnmatch(path, p) for p in patterns)
        )


def examine(training: Training, rules: Sequence[Rule] = (), ignore: Iterable[str] = ()) -> Verdict:
    """Returns the verdict on a training run.

    Args:
        training: The training run, live or from a log: `read_run("logs").latest`.
        rules: As in `Examination`.
        ignore: As in `Examination`.

    Raises:
        ValueError: If `ignore` names a rule that does not exist.
    """
    examination = Examination(training, rules, ignore)
    for record in training.records:
        examination.update(record)
    return examination.verdict


def diagnose(
    training: Training, rules: Sequence[Rule] = (), ignore: Iterable[str] = ()
) -> tuple[Diagnosis, ...]:
    """Returns the problems of a training run, the most serious first.

    Args:
        training: As in `examine`.
        rules: As in `Examination`.
        ignore: As in `Examination`.

    Raises:
        ValueError: If `ignore` names a rule that does not exist.
    """
    return examine(training, rules, ignore).diagnoses
