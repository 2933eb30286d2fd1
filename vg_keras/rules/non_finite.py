"""VG301: NaN or infinity, and the place where it appeared first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vg_keras.record import ModelDescription, Record
from vg_keras.rules.rule import Finding, Rule, Watch
from vg_keras.sketch.sketch import Sketch


@dataclass(frozen=True)
class NonFinite(Rule):
    """A tensor holds NaN or infinity.

    The place where it was born is the first one in the order of computation: weights, then the
    forward pass from the first layer to the last, then the backward pass from the last to the
    first.

    Args:
        num_records: Number of records in a row that must show it. A loss scale, as in
            `mixed_float16`, overflows on purpose in single steps, which it then skips.
    """

    num_records: int = 2

    code = "VG301"
    name = "non-finite"
    severity = "error"
    needs = ("gradients",)
    advice = (
        "Lower the learning rate, or clip the gradient: `clipnorm=1.0` in the optimizer.",
        "Check the data for NaN, and scale inputs and targets to about 1.",
        "Look at the loss for a logarithm, a division or a square root of zero.",
    )

    def start(self, model: ModelDescription) -> Watch:
        """Returns a watch over a training run of a model."""
        born: list[Finding] = []

        def watch(record: Record) -> Finding | None:
            place = next(_places(record), None)
            if place is None:
                born.clear()
                return None
            what, path, sketch = place
            count = f"{sketch.nonfinite:,} of {sketch.count:,} values"
            finding = Finding(
                f"{count} of {what} of {path} are NaN or infinite: the first place in the order of "
                "computation.",
                (path,),
                {"nonfinite": sketch.nonfinite, "count": sketch.count},
                record.step,
            )
            born.append(finding)
            return born[0] if len(born) >= self.num_records else None

        return watch


def _places(record: Record) -> Iterator[tuple[str, str, Sketch]]:
    """Yields every place with a value that is not finite, in the order of computation."""
    forward: list[tuple[str, Mapping[str, Sketch]]] = [
        ("the weights", record.weights),
        ("the output", record.activations),
    ]
    backward = [
        ("the gradient at the output", record.activation_gradients),
        ("the gradient", record.gradients),
    ]
    for what, sketches in forward:
        yield from ((what, path, s) for path, s in sketches.items() if s.nonfinite)
    for what, sketches in backward:
        yield from ((what, path, s) for path, s in reversed([*sketches.items()]) if s.nonfinite)
