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
from vg_keras.rules.rule import Finding, NotApplied, Rule, Watch, hidden_layers
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
        not_applied: The rules that are not applied, because the run does not record what they need
            or because they have failed.

    Raises:
        ValueError: If `ignore` names a rule that does not exist.
    """

    def __init__(
        self, training: Training, rules: Sequence[Rule] = (), ignore: Iterable[str] = ()
    ) -> None:
        silenced = check_rules(rules, ignore)
        all_rules = {rule.code: rule for rule in (*RULES, *rules)}
        self._ignored = {code: [p for c, p in silenced if c == code] for code, _ in silenced}
        audible = [
            rule for rule in all_rules.values() if "" not in self._ignored.get(rule.code, [])
        ]
        self.not_applied: tuple[NotApplied, ...] = tuple(
            NotApplied(rule.code, rule.name, missing)
            for rule in audible
            if (missing := rule.missing(training))
        )
        not_applied = {one.code for one in self.not_applied}
        applied = [rule for rule in audible if rule.code not in not_applied]
        self._order = tuple(all_rules)
        self._watches: list[tuple[Rule, Watch]] = []
        for rule in applied:
            try:
                self._watches.append((rule, rule.start(training)))
            except Exception as error:  # noqa: BLE001 - a user's rule may raise anything
                self._drop(rule, error)
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
        return tuple(self._found[code] for code in self._order if code in self._found)

    def update(self, record: Record) -> tuple[Diagnosis, ...]:
        """Examines the next record and returns the diagnoses that are new."""
        self._num_records += 1
        self._first, self._last = self._first or record, record
        new = []
        for rule, watch in list(self._watches):
            try:
                finding = watch(record)
            except Exception as error:  # noqa: BLE001 - a user's rule may raise anything
                self._drop(rule, error)
                continue
            if finding is None or not (paths := self._heard(rule, finding)):
                continue
            if rule.code in self._found:
                earlier = self._found[rule.code]
                more = paths if rule.accumulates else ()
                paths = tuple(dict.fromkeys((*earlier.paths, *more)))
                later = dataclasses.replace(earlier, paths=paths, last_step=record.step)
                self._found[rule.code] = later
            else:
                self._found[rule.code] = _diagnosis(rule, finding, paths, record.step)
                new.append(self._found[rule.code])
        return tuple(new)

    def _drop(self, rule: Rule, error: Exception) -> None:
        """Applies a rule that has failed no more."""
        self._watches = [(one, watch) for one, watch in self._watches if one is not rule]
        failed = NotApplied(rule.code, rule.name, error=repr(error))
        self.not_applied = (*self.not_applied, failed)

    def _heard(self, rule: Rule, finding: Finding) -> tuple[str, ...]:
        """Returns the paths of a finding for which the rule is not silenced."""
        patterns = self._ignored.get(rule.code, [])
        return tuple(
            path for path in finding.paths if not any(fnmatch.fnmatch(path, p) for p in patterns)
        )


def _diagnosis(rule: Rule, finding: Finding, paths: tuple[str, ...], step: int) -> Diagnosis:
    return Diagnosis(
        rule.code,
        rule.name,
        rule.severity,
        finding.message,
        paths,
        step if finding.since is None else finding.since,
        step,
        finding.evidence,
        finding.advice or rule.advice,
        finding.cause,
    )


def check_rules(rules: Sequence[Rule], ignore: Iterable[str]) -> list[tuple[str, str]]:
    """Checks the arguments `rules` and `ignore`.

    Returns:
        The silenced codes, each with a pattern of paths, or an empty string for all.

    Raises:
        TypeError: If `rules` are not rules, or `ignore` is not a list of strings.
        ValueError: If `ignore` names a rule that does not exist.
    """
    for rule in rules:
        if not isinstance(rule, Rule):
            raise TypeError(
                "`rules` must be a list of instances of `vg_keras.rules.Rule`, such as "
                f"[VanishingGradient(decades=4)]. Received: {rule!r}."
            )
    ignore = list(ignore)
    if not all(isinstance(entry, str) for entry in ignore):
        raise TypeError(f"`ignore` must be a list of strings. Received: ignore={ignore!r}.")
    silenced = [tuple(part.strip() for part in e.partition(":")[::2]) for e in ignore]
    known = sorted({rule.code for rule in (*RULES, *rules)})
    if unknown := sorted({code for code, *_ in silenced} - set(known)):
        raise ValueError(
            f"`ignore` must name rules: {', '.join(known)}. Received: {', '.join(unknown)}."
        )
    return [(code, pattern) for code, pattern in silenced]


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
