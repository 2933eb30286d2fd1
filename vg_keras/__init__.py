"""Shows how gradients flow through a Keras model while it trains.

    model.fit(x, y, callbacks=[vg_keras.GradientMonitor()])

The names exported here are the public API. They are resolved lazily: importing the package imports
neither TensorFlow nor Keras, and reading a log needs neither.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vg_keras.alarm import TrainingProblem
    from vg_keras.callback import GradientMonitor
    from vg_keras.checking import check
    from vg_keras.cost import Cost
    from vg_keras.log.format import FormatVersionError
    from vg_keras.log.reader import follow, iter_records, read_run
    from vg_keras.probe import Probe
    from vg_keras.profiles import profile
    from vg_keras.record import Record, Run, Training
    from vg_keras.sketch.sketch import Sketch

__version__ = "0.1.0"

__all__ = [
    "Cost",
    "FormatVersionError",
    "GradientMonitor",
    "Probe",
    "Record",
    "Run",
    "Sketch",
    "Training",
    "TrainingProblem",
    "check",
    "follow",
    "iter_records",
    "profile",
    "read_run",
]

_HOME = {
    "Cost": "vg_keras.cost",
    "FormatVersionError": "vg_keras.log.format",
    "GradientMonitor": "vg_keras.callback",
    "Probe": "vg_keras.probe",
    "Record": "vg_keras.record",
    "Run": "vg_keras.record",
    "Sketch": "vg_keras.sketch.sketch",
    "Training": "vg_keras.record",
    "TrainingProblem": "vg_keras.alarm",
    "check": "vg_keras.checking",
    "follow": "vg_keras.log.reader",
    "iter_records": "vg_keras.log.reader",
    "profile": "vg_keras.profiles",
    "read_run": "vg_keras.log.reader",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in ("keras", "tensorflow"):
            raise
        raise ImportError(
            f"`vg_keras.{name}` needs Keras and TensorFlow, and the package {error.name!r} is not "
            'installed. Install them: pip install "vg_keras[tensorflow]"'
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
