"""The verdict on a training run: its problems, or that there is none, in a few lines.

The same for a running `fit`, the end of `fit`, `print(monitor)` and the command line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from vg_keras.rules.diagnosis import Diagnosis, counted, steps_in_words
from vg_keras.rules.rule import NotApplied, listed, not_recorded

_MOST_PROBLEMS = 3
"""Number of problems that the text shows; the others are counted."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on a training run, or on what has been recorded of it so far.

    Args:
        diagnoses: The problems, the most serious first.
        num_records: The number of records that were examined.
        first_step: The step of the first record; None if there is none.
        last_step: The step of the last record.
        first_to_last: The norm of the gradient at the output of the first hidden layer, as a
            fraction of that at the last hidden layer, at the last record; NaN if it is not known.
        not_applied: The rules that were not applied, because the run does not record what they
            need.
    """

    diagnoses: tuple[Diagnosis, ...] = ()
    num_records: int = 0
    first_step: int | None = None
    last_step: int | None = None
    first_to_last: float = math.nan
    not_applied: tuple[NotApplied, ...] = ()

    @property
    def headline(self) -> str:
        """One sentence: how many problems there are, and what was examined."""
        if self.first_step is None or self.last_step is None:
            return "nothing has been recorded yet."
        number = len(self.diagnoses)
        problems = "no problem" if not number else f"{number} problem{'s' if number > 1 else ''}"
        steps = steps_in_words(self.first_step, self.last_step)
        return f"{problems} found in {counted(self.num_records, 'record')}, {steps}."

    @property
    def paths(self) -> frozenset[str]:
        """The layers and variables that any diagnosis concerns."""
        return frozenset(path for diagnosis in self.diagnoses for path in diagnosis.paths)

    @property
    def title(self) -> str:
        """A few words: the most serious problem and its layers, or that there is none."""
        if not self.diagnoses:
            return "No problem found" if self.num_records else "Nothing recorded"
        first = self.diagnoses[0]
        return f"{first.code} {first.name}: {listed(first.paths)}"

    def __str__(self) -> str:
        """Returns a few lines, for a terminal or a log file."""
        lines = [f"GradientMonitor: {self.headline}"]
        for diagnosis in self.diagnoses[:_MOST_PROBLEMS]:
            lines += [diagnosis.headline, *(f"  Try: {one}" for one in diagnosis.advice[:1])]
        more = len(self.diagnoses) - _MOST_PROBLEMS
        if more > 0:
            others = ", ".join(diagnosis.code for diagnosis in self.diagnoses[_MOST_PROBLEMS:])
            lines.append(f"... and {more} more: {others}.")
        if not self.diagnoses and math.isfinite(self.first_to_last):
            lines.append(
                f"The first layer gets {self.first_to_last:.2g} times the gradient of the last "
                "hidden one (0.01 to 100 is usual)."
            )
        if self.not_applied:
            lines.append(self.not_applied_in_words)
        return "\n".join(lines)

    @property
    def not_applied_in_words(self) -> str:
        """One sentence on the rules that were not applied, and why; empty if all were."""
        return f"Not applied: {'; '.join(self._reasons())}." if self.not_applied else ""

    def _reasons(self) -> list[str]:
        """Returns why rules are not applied: all that lack something in one phrase."""
        lacking = [one for one in self.not_applied if one.missing]
        names = dict.fromkeys(name for one in lacking for name in one.missing)
        codes = ", ".join(one.code for one in lacking)
        found = [f"{codes} ({not_recorded(names)})"] if lacking else []
        return found + [f"{one.code} ({one.reason})" for one in self.not_applied if one.error]

    def as_dict(self) -> dict[str, Any]:
        """Returns the verdict as JSON-serializable data."""
        return {
            "num_records": self.num_records,
            "first_step": self.first_step,
            "last_step": self.last_step,
            "first_to_last": self.first_to_last if math.isfinite(self.first_to_last) else None,
            "diagnoses": [diagnosis.as_dict() for diagnosis in self.diagnoses],
            "not_applied": [
                {
                    "code": one.code,
                    "name": one.name,
                    "missing": list(one.missing),
                    "error": one.error or None,
                }
                for one in self.not_applied
            ],
        }
