"""What all rules have in common.

A rule is a frozen dataclass whose fields are its thresholds. `start` returns a watch over one
training run, which is given each record once, in order. It keeps whatever it needs of earlier
records, so that a rule costs the same for each record of a long run.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from vg_keras.record import ModelDescription, Record, Training
from vg_keras.rules.diagnosis import Severity


@dataclass(frozen=True)
class Finding:
    """What a rule found in one record.

    Args:
        message: What is wrong, with numbers.
        paths: The layers or variables concerned.
        evidence: The numbers by which the rule judged.
        since: The step of an earlier record at which it was seen first, if the rule has waited.
        advice: What to try, if the evidence tells more than the rule knows in general.
        cause: A sentence on the cause, if the evidence supports one.
    """

    message: str
    paths: tuple[str, ...]
    evidence: Mapping[str, float]
    since: int | None = None
    advice: tuple[str, ...] = ()
    cause: str = ""


@dataclass(frozen=True)
class NotApplied:
    """A rule that is not applied because the run does not record what it needs.

    Args:
        code: The code of the rule.
        name: Its name.
        missing: The names of the quantities that are not recorded; see `vg_keras.quantities`.
        error: The error of a rule that has failed, or empty.
    """

    code: str
    name: str
    missing: tuple[str, ...] = ()
    error: str = ""

    @property
    def reason(self) -> str:
        """Why it is not applied."""
        return f"it fails: {self.error}" if self.error else not_recorded(self.missing)

    def __str__(self) -> str:
        """Returns a sentence."""
        return f"{self.code} {self.name} is not applied: {self.reason}."


Watch = Callable[[Record], Finding | None]
"""Takes the next record of a training run, and returns what is wrong with it."""


class Rule(ABC):
    """One kind of problem.

    Attributes:
        code: A code that never changes, by which a rule is silenced.
        name: A name in words.
        severity: The severity of its diagnoses.
        needs: The quantities without which it says nothing.
        accumulates: Whether layers that are found later are added to the diagnosis.
        needs_first_loss: Whether it needs the loss of the first steps, which a resumed run lacks.
        advice: What to try, the most promising first.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity]
    needs: ClassVar[tuple[str, ...]]
    accumulates: ClassVar[bool] = True
    needs_first_loss: ClassVar[bool] = False
    advice: ClassVar[tuple[str, ...]]

    @abstractmethod
    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run.

        Args:
            training: Its model and settings. Its records, if it has any, are not read.
        """

    def at_once(self) -> Self:
        """Returns the same rule deciding at the first record, for a check before training."""
        waits = "num_records" in {field.name for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return dataclasses.replace(self, num_records=1) if waits else self  # type: ignore[type-var]

    def missing(self, training: Training) -> tuple[str, ...]:
        """Returns what the rule needs and the run does not record.

        A log of format version 1 or 2 does not say what it records; nothing is missing there.
        """
        recorded = training.settings.quantities
        found = tuple(name for name in self.needs if recorded and name not in recorded)
        lacks_loss = self.needs_first_loss and training.resumed_from is not None
        return (*found, "the loss of the first steps") if lacks_loss else found


def hidden_layers(model: ModelDescription) -> list[str]:
    """Returns the paths of the layers with weights and a monitored output, without the last one.

    The last one is the output layer, whose gradient comes from the loss directly.
    """
    layers = [layer for layer in model.layers if layer.variables and layer.output_shape is not None]
    return [layer.path for layer in layers[:-1]]


def listed(paths: Iterable[str], most: int = 3) -> str:
    """Returns the first few paths, and how many more there are."""
    paths = list(paths)
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more


def not_recorded(names: Collection[str]) -> str:
    """Returns that quantities are not recorded."""
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not recorded"
