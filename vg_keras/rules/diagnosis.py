"""A diagnosis: what is wrong, where, since when, and what to try."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]

PAGES = "https://github.com/vg-keras/vg_keras/blob/main/docs/rules"
"""The address of the directory with a page for each rule."""


@dataclass(frozen=True)
class Diagnosis:
    """One problem of a training run.

    Args:
        code: The code of the rule, such as "VG101".
        name: Its name, such as "vanishing-gradient".
        severity: "error" if training cannot succeed like this, otherwise "warning".
        message: What is wrong, with the numbers of the first record that shows it.
        paths: The layers or variables concerned, from the input to the output.
        first_step: The first step at which it was found.
        last_step: The last step at which it was found.
        evidence: The numbers that it was found by, at `first_step`.
        advice: What to try, the most promising first.
        cause: A sentence on the cause, or empty if the evidence does not support one.
    """

    code: str
    name: str
    severity: Severity
    message: str
    paths: tuple[str, ...]
    first_step: int
    last_step: int
    evidence: Mapping[str, float]
    advice: tuple[str, ...]
    cause: str = ""

    @property
    def page(self) -> str:
        """The address of the page that explains the rule."""
        return f"{PAGES}/{self.code}.md"

    @property
    def steps(self) -> str:
        """The steps in words."""
        return steps_in_words(self.first_step, self.last_step)

    @property
    def headline(self) -> str:
        """The code, the name, the steps and the message, in one line."""
        return f"{self.code} {self.name}, {self.steps}: {self.message}"

    def __str__(self) -> str:
        """Returns the headline, the cause and the advice, for a terminal or a log file."""
        lines = [self.headline, *([f"  Why: {self.cause}"] if self.cause else [])]
        return "\n".join([*lines, *(f"  Try: {advice}" for advice in self.advice)])

    def as_dict(self) -> dict[str, Any]:
        """Returns the diagnosis as JSON-serializable data, with null for a number that is not."""
        evidence = {k: v if math.isfinite(v) else None for k, v in self.evidence.items()}
        return dataclasses.asdict(self) | {"evidence": evidence, "page": self.page}


def counted(number: int, noun: str) -> str:
    """Returns "1 record", or "2,000 records"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def steps_in_words(first: int, last: int) -> str:
    """Returns "step 5", or "steps 5 to 1,000" if there are several."""
    return f"step {first:,}" if first == last else f"steps {first:,} to {last:,}"
