"""Records as a pandas DataFrame, for whoever works with tables. pandas is not required otherwise.

Neither TensorFlow nor Keras.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vg_keras.record import (
    NUMBERS_OF_LAYERS,
    NUMBERS_OF_VARIABLES,
    SKETCHES_OF_LAYERS,
    SKETCHES_OF_VARIABLES,
    Record,
)

if TYPE_CHECKING:
    import pandas as pd

_OF_SKETCH = ("norm", "rms", "mean", "smallest", "largest", "zeros", "nonfinite")


def to_pandas(records: Iterable[Record]) -> pd.DataFrame:
    """Returns records as a table: a row for each step and variable or layer.

    Args:
        records: The records.

    Returns:
        A DataFrame whose index is (`step`, `path`). Its columns are `wall_time`; for each kind of
        sketch `norm`, `rms`, `mean`, `smallest`, `largest`, `zeros` and `nonfinite`, such as
        `gradients_norm` and `activations_rms`; `update_ratio`; and each number of a record, such as
        `saturated_units`. A column is there if any row has it, and NaN where a row has not.

    Raises:
        ImportError: pandas is not installed.
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
    for name in (*SKETCHES_OF_VARIABLES, *SKETCHES_OF_LAYERS):
        for path, sketch in getattr(record, name).items():
            columns = {f"{name}_{number}": getattr(sketch, number) for number in _OF_SKETCH}
            found.setdefault(path, {}).update(columns)
    for name in (*NUMBERS_OF_VARIABLES, *NUMBERS_OF_LAYERS):
        for path, value in getattr(record, name).items():
            found.setdefault(path, {})[name] = value
    for path in record.update_norms:
        found[path]["update_ratio"] = record.update_ratio(path)
    return found
