"""Turns rows of the buffer into records, on the host.

Needs the plan and the description of a model, but not the model. `encode.py` writes the rows.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vg_keras.capture.buffer import Rows
from vg_keras.capture.dead_units import DeadUnits
from vg_keras.capture.plan import (
    ACTIVATION,
    ACTIVATION_GRADIENT,
    DATA_LOSS_GRADIENT,
    FIRST_MOMENT,
    GRADIENT,
    REGULARIZATION_GRADIENT,
    SECOND_MOMENT,
    WEIGHT,
    Plan,
)
from vg_keras.quantities import BY_NAME
from vg_keras.record import ModelDescription, Record
from vg_keras.sketch.sketch import Sketch
from vg_keras.statistics.active_units import MAX_UNITS


@dataclass(frozen=True)
class Observation:
    """The rows of one train function execution, to be decoded later.

    Args:
        maker: The decoder.
        kept: For each step, the rows of each replica.
        without_gradient: Paths of the variables whose gradient was None.
        wall_time: Time of the measurement, in seconds since 1970.
    """

    maker: Decoder
    kept: Sequence[Sequence[Rows]]
    without_gradient: Collection[str]
    wall_time: float

    @property
    def steps(self) -> list[int]:
        """The numbers of the steps."""
        return [replicas[0].step for replicas in self.kept]

    @property
    def model(self) -> ModelDescription:
        """The model that the records describe."""
        return self.maker.model

    def records(self) -> Iterator[Record]:
        """Yields the records, decoded one by one."""
        for replicas in self.kept:
            yield self.maker.record(replicas, self.without_gradient, self.wall_time)


class Decoder:
    """Decoder of the records of one training run.

    Args:
        plan: The plan of what is measured.
        model: The description of the model. Records list variables and layers in its order.
    """

    def __init__(self, plan: Plan, model: ModelDescription) -> None:
        self._plan = plan
        self.model = model
        self._dead_units = {path: DeadUnits() for path in plan.mask_of}
        axes = {path: plan.layers[path].unit_axis for path in plan.mask_of}
        shapes = {layer.path: layer.output_shape or () for layer in model.layers}
        self._num_units = {p: shapes[p][axis] or 0 for p, axis in axes.items() if shapes.get(p)}

    def record(
        self, replicas: Sequence[Rows], without_gradient: Collection[str], wall_time: float
    ) -> Record:
        """Returns the record of a step.

        Args:
            replicas: The rows of each replica.
            without_gradient: Paths of the variables whose gradient was None.
            wall_time: Time of the measurement, in seconds since 1970.
        """
        # Gradients and variables are the same in all replicas, outputs those of its own examples.
        gradients = self._sketches(GRADIENT, replicas[:1])
        activations = self._sketches(ACTIVATION, replicas)
        updated = gradients if self._plan.choice.updates else {}
        updates = {path: self._extras(GRADIENT, path, replicas[0]) for path in updated}
        examples = {
            path: sum(int(self._extras(ACTIVATION, path, rows)[1]) for rows in replicas)
            for path in activations
        }
        saturated = {path: self._saturated(path, replicas) for path in activations}
        dead = self._dead(replicas, examples)
        return Record(
            step=replicas[0].step,
            wall_time=wall_time,
            gradients=gradients,
            without_gradient=tuple(p for p in self.model.variables if p in without_gradient),
            data_loss_gradients=self._sketches(DATA_LOSS_GRADIENT, replicas[:1]),
            regularization_gradients=self._sketches(REGULARIZATION_GRADIENT, replicas[:1]),
            update_norms={path: update for path, (update, _) in updates.items()},
            weight_norms={path: weight for path, (_, weight) in updates.items()},
            weights=self._sketches(WEIGHT, replicas[:1]),
            first_moments=self._sketches(FIRST_MOMENT, replicas[:1]),
            second_moments=self._sketches(SECOND_MOMENT, replicas[:1]),
            activations=activations,
            activation_gradients=self._sketches(ACTIVATION_GRADIENT, replicas),
            examples=examples,
            saturated_units={p: share for p, share in saturated.items() if not math.isnan(share)},
            dead_units={path: fraction for path, (fraction, _) in dead.items()},
            dead_unit_examples={path: count for path, (_, count) in dead.items()},
        )

    def _sketches(self, kind: str, replicas: Sequence[Rows]) -> dict[str, Sketch]:
        is_of_layers = BY_NAME[kind].of == "layers"
        paths = self.model.outputs if is_of_layers else self.model.variables
        row_of = self._plan.row_of
        filled = np.all([replica.filled for replica in replicas], axis=0)
        rows = {path: row_of[kind, path] for path in paths if (kind, path) in row_of}
        rows = {path: row for path, row in rows.items() if filled[row]}
        if not rows:
            return {}
        parts = [replica.sketches(list(rows.values())) for replica in replicas]
        return {path: _sum(sketches) for path, *sketches in zip(rows, *parts, strict=True)}

    def _extras(self, kind: str, path: str, rows: Rows) -> list[float]:
        return rows.extras(self._plan.row_of[kind, path])

    def _saturated(self, path: str, replicas: Sequence[Rows]) -> float:
        parts = [self._extras(ACTIVATION, path, rows) for rows in replicas]
        parts = [part for part in parts if part[1]]  # without examples, the fraction is NaN
        total = sum(examples for _, examples in parts)
        return sum(share * examples for share, examples in parts) / total if total else math.nan

    def _dead(
        self, replicas: Sequence[Rows], examples: dict[str, int]
    ) -> dict[str, tuple[float, int]]:
        dead = {}
        for path, mask in self._plan.mask_of.items():
            num_units = min(self._num_units.get(path, 0), MAX_UNITS)
            if path in examples and num_units:
                active = functools.reduce(operator.or_, (rows.active[mask] for rows in replicas))
                found = self._dead_units[path].add(active[:num_units], examples[path])
                if found is not None:
                    dead[path] = found
        return {path: dead[path] for path in self.model.outputs if path in dead}


def _sum(sketches: Iterable[Sketch]) -> Sketch:
    return functools.reduce(operator.add, sketches)
