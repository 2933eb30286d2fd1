"""Converts records to a pandas DataFrame.

pandas is needed only here. Imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vg_keras.quantities import NUMBERS, SKETCHES
from vg_keras.record import Record

if TYPE_CHECKING:
    import pandas as pd

_OF_SKETCH = ("norm", "rms", "mean", "min", "max", "zeros", "nonfinite")


def to_pandas(records: Iterable[Record]) -> pd.DataFrame:
    """Returns records as a table, with one row for each step and each variable or layer.

    Numbers of the model as a whole, such as the loss, are in a row whose path is empty.

    Args:
        records: The records.

    Returns:
        A DataFrame whose index is (`step`, `path`). Its columns are `wall_time`; for each kind of
        sketch `norm`, `rms`, `mean`, `min`, `max`, `zeros` and `nonfinite`, such as
        `gradients_norm` and `activations_rms`; `update_ratio`; and each number of a record, such as
        `saturated_units`. A column exists if any row has a value for it; the other rows hold NaN.

    Raises:
        ImportError: If pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "`to_pandas` needs the package pandas. Install it: pip install pandas"
        ) from error
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for record in records:
        for path, columns in _columns_by_path(record).items():
            rows[record.step, path] = {"wall_time": record.wall_time, **columns}
    index = pd.MultiIndex.from_tuples(list(rows), names=["step", "path"]) if rows else None
    return pd.DataFrame(list(rows.values()), index=index)


def _columns_by_path(record: Record) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for quantity in SKETCHES:
        for path, sketch in getattr(record, quantity.name).items():
            columns = {f"{quantity.name}_{part}": getattr(sketch, part) for part in _OF_SKETCH}
            found.setdefault(path, {}).update(columns)
    for quantity in NUMBERS:
        for path, value in quantity.values_in(record).items():
            found.setdefault(path, {})[quantity.name] = value
    for path in record.update_norms:
        found[path]["update_ratio"] = record.update_ratio(path)
    return found
