"""VG201: most units of a ReLU layer are zero for every example."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from vg_keras.record import Record, Training
from vg_keras.rules.advice import LOWER_RATE
from vg_keras.rules.rule import Finding, Rule, Watch, listed

_RECOVER = "Use LeakyReLU, ELU or GELU, whose units recover."
_START = "Start from he_normal weights and zero biases, and standardize the inputs."


@dataclass(frozen=True)
class DeadUnits(Rule):
    """Most units of a layer with a rectifier are never active.

    A unit that is zero for some examples is not dead: half of a ReLU layer's outputs are zero when
    all is well. What counts is that it is zero for every example of the last records.

    Args:
        fraction: Fraction of units that must be dead. Layers of networks that learn well reach 0.7.
        num_examples: Number of examples for which they must be zero, so that a unit that is
            active for one example in a hundred is not taken for dead. The examples of all records
            in a row that show it count.
        num_examples_of_all: Number of examples if all units of a layer are dead: in a layer that
            works, not even a single example has only zeros.
    """

    fraction: float = 0.8
    num_examples: int = 128
    num_examples_of_all: int = 8

    code = "VG201"
    name = "dead-units"
    severity = "warning"
    needs = ("dead_units",)
    advice = (LOWER_RATE, _RECOVER, _START)

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        seen: Counter[str] = Counter()
        once_alive: set[str] = set()

        def watch(record: Record) -> Finding | None:
            # After a NaN, TensorFlow's ReLU on a CPU returns zeros: VG301 reports that.
            if any(gradient.nonfinite for gradient in record.gradients.values()):
                return None
            dead = {}
            for path, fraction in record.dead_units.items():
                seen[path] = _num_seen(record, path, seen[path]) if fraction >= self.fraction else 0
                needed = self.num_examples_of_all if fraction == 1 else self.num_examples
                if seen[path] >= needed:
                    dead[path] = fraction
                if fraction < self.fraction:
                    once_alive.add(path)
            if not dead:
                return None
            worst = max(dead, key=lambda path: dead[path])
            return Finding(
                f"{dead[worst]:.0%} of the units of {worst} were zero for each of the last "
                f"{seen[worst]:,} examples, and so get no gradient. "
                f"Layers with this problem: {listed(dead)}.",
                tuple(dead),
                {"fraction": dead[worst], "examples": seen[worst]},
                # What is dead from the first record on was not turned off by training.
                advice=self.advice if worst in once_alive else (_START, _RECOVER, LOWER_RATE),
            )

        return watch


def _num_seen(record: Record, path: str, before: int) -> int:
    """Returns the number of examples for which the units of a layer have been dead in a row."""
    in_window = record.dead_unit_examples.get(path, 0)
    return max(in_window, before + record.examples.get(path, 0)) if before else in_window
