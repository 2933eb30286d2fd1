"""Turns rows of the buffer into records, on the host.

Needs the plan and the description of a model, but not the model. `encode.py` writes the rows.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vg_keras.capture.buffer import Rows
from vg_keras.capture.dead_units import DeadUnits
from vg_keras.capture.plan import (
    ACTIVATION,
    GRADIENT,
    Plan,
)
from vg_keras.quantities import BY_NAME, EXTRAS, SKETCHES, Quantity
from vg_keras.record import ModelDescription, Record
from vg_keras.sketch.sketch import Sketch
from vg_keras.statistics.active_units import MAX_UNITS


@dataclass(frozen=True)
class Observation:
    """The rows of one train function execution, to be decoded later.

    Args:
        decoder: The decoder.
        kept: For each step, the rows of each replica.
        without_gradient: Paths of the variables whose gradient was None.
        wall_time: Time of the measurement, in seconds since 1970.
        unit_spreads: How much the units of each kernel differ, by path, after the execution; empty
            if that was not measured.
    """

    decoder: Decoder
    kept: Sequence[Sequence[Rows]]
    without_gradient: Collection[str]
    wall_time: float
    unit_spreads: Mapping[str, float] = field(default_factory=dict)

    @property
    def steps(self) -> list[int]:
        """The numbers of the steps."""
        return [replicas[0].step for replicas in self.kept]

    @property
    def model(self) -> ModelDescription:
        """The model that the records describe."""
        return self.decoder.model

    def records(self) -> Iterator[Record]:
        """Yields the records, decoded one by one."""
        for replicas in self.kept:
            record = self.decoder.record(replicas, self.without_gradient, self.wall_time)
            spreads = {p: self.unit_spreads[p] for p in record.gradients if p in self.unit_spreads}
            yield dataclasses.replace(record, unit_spread=spreads) if spreads else record


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
        sketches: dict[str, Any] = {q.name: self._sketches(q, replicas) for q in SKETCHES}
        updated = sketches[GRADIENT] if self._plan.choice.updates else {}
        examples = {
            path: int(sum(self._extra("examples", path, rows) or 0 for rows in replicas))
            for path in sketches[ACTIVATION]
        }
        saturated = {path: self._saturated(path, replicas) for path in sketches[ACTIVATION]}
        dead = self._dead(replicas, examples)
        nonfinite_data = self._total("nonfinite_data", sketches[GRADIENT], replicas)
        return Record(
            step=replicas[0].step,
            wall_time=wall_time,
            without_gradient=tuple(p for p in self.model.variables if p in without_gradient),
            **sketches,
            update_norms=self._extras("update_norms", updated, replicas[0]),
            weight_norms=self._extras("weight_norms", updated, replicas[0]),
            examples=examples,
            saturated_units={p: f for p, f in saturated.items() if f is not None},
            dead_units={path: fraction for path, (fraction, _) in dead.items()},
            dead_unit_examples={path: count for path, (_, count) in dead.items()},
            loss=self._total("loss", sketches[GRADIENT], replicas),
            nonfinite_data=None if nonfinite_data is None else int(nonfinite_data),
        )

    def _sketches(self, quantity: Quantity, replicas: Sequence[Rows]) -> dict[str, Sketch]:
        is_of_layers = quantity.of == "layers"
        paths = self.model.outputs if is_of_layers else self.model.variables
        if not is_of_layers:  # the same in all replicas, while outputs are of a replica's examples
            replicas = replicas[:1]
        kind, row_of = quantity.name, self._plan.row_of
        filled = np.all([replica.filled for replica in replicas], axis=0)
        rows = {path: row_of[kind, path] for path in paths if (kind, path) in row_of}
        rows = {path: row for path, row in rows.items() if filled[row]}
        if not rows:
            return {}
        parts = [replica.sketches(list(rows.values())) for replica in replicas]
        return {path: _sum(sketches) for path, *sketches in zip(rows, *parts, strict=True)}

    def _extras(self, name: str, paths: Iterable[str], rows: Rows) -> dict[str, float]:
        """Returns the known ones of the numbers that are stored with some sketches, by path."""
        found = {path: self._extra(name, path, rows) for path in paths}
        return {path: number for path, number in found.items() if number is not None}

    def _extra(self, name: str, path: str, rows: Rows) -> float | None:
        """Returns a number that is stored with a sketch, or None if it is not known."""
        kind = BY_NAME[name].stored_with or ""
        return rows.extras(self._plan.row_of[kind, path])[EXTRAS[kind].index(name)]

    def _total(self, name: str, paths: Iterable[str], replicas: Sequence[Rows]) -> float | None:
        """Returns the sum of a number over all sketches and replicas that it is stored with."""
        found = [number for rows in replicas for number in self._extras(name, paths, rows).values()]
        return sum(found) if found else None

    def _saturated(self, path: str, replicas: Sequence[Rows]) -> float | None:
        """Returns the fraction of saturated units, averaged over the examples of all replicas."""
        fractions = [self._extra("saturated_units", path, rows) for rows in replicas]
        examples = [self._extra("examples", path, rows) for rows in replicas]
        # Without examples the fraction is NaN.
        parts = [(f, n) for f, n in zip(fractions, examples, strict=True) if f is not None and n]
        total = sum(n for _, n in parts)
        return sum(f * n for f, n in parts) / total if total else None

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
