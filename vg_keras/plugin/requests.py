"""Checks what a request asks for, and answers it.

Only runs that were found under the log directory and quantities of the menu can be asked for; no
parameter becomes a path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from vg_keras.comparison import MAX_RUNS
from vg_keras.layer_quantities import DEFAULT, LAYER_QUANTITIES, LayerQuantity
from vg_keras.log.format import FormatVersionError
from vg_keras.log.storage import reason_of
from vg_keras.plugin.flow_view import Chosen, Window, flow
from vg_keras.plugin.histogram_view import histogram
from vg_keras.plugin.log_directory import FoundRun, LogDirectory
from vg_keras.plugin.open_logs import OpenLogs
from vg_keras.record import Training

Query = MultiDict[str, str]
"""The parameters of a request."""

MAX_COLUMNS = 2000
"""Columns of each: more than a screen has pixels for it."""

SECONDS = 0.8
"""Time that one request reads on for, in all logs together."""


class RefusedError(ValueError):
    """A request that can't be answered.

    Args:
        message: Why.
        code: The HTTP status.
    """

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.code = code


class Answers:
    """Answers requests about the logs under a log directory.

    Args:
        logdir: As in `LogDirectory`.
        logdir_spec: As in `LogDirectory`.
    """

    def __init__(self, logdir: str = "", logdir_spec: str = "") -> None:
        self._directory = LogDirectory(logdir, logdir_spec)
        self._logs = OpenLogs()

    def runs(self) -> dict[str, Any]:
        """Returns all training runs under the log directory."""
        runs = self._directory.runs().values()
        return {
            "max_runs": MAX_RUNS,
            "remote": self._directory.remote,
            "runs": [_described(run, training) for run in runs for training in run.trainings],
            "errors": [f"{run.name}: {run.error}" for run in runs if run.error],
            "menu": [quantity.as_dict() for quantity in LAYER_QUANTITIES.values()],
        }

    def flow(self, query: Query) -> dict[str, Any]:
        """Returns one quantity of several training runs.

        Raises:
            RefusedError: If a parameter is invalid.
        """
        keys = query.getlist("key")
        if not 1 <= len(keys) <= MAX_RUNS:
            raise RefusedError(
                f"`key` must be given 1 to {MAX_RUNS} times. Received: {len(keys)} keys."
            )
        quantity, window = _quantity(query), _window(query)
        runs = self._directory.runs()
        chosen = [self._chosen(key, runs, SECONDS / len(keys)) for key in keys]
        tag = "-".join(one.tag for one in chosen)
        if tag == query.get("tag"):
            return {"tag": tag, "is_unchanged": True}
        return {"tag": tag, "is_unchanged": False, **flow(chosen, quantity, window)}

    def histogram(self, query: Query) -> dict[str, Any]:
        """Returns the histograms of one layer or variable of a training run.

        Raises:
            RefusedError: If a parameter is invalid.
        """
        quantity, window = _quantity(query), _window(query)
        one = self._chosen(query.get("key", ""), self._directory.runs(), SECONDS)
        path = query.get("path", "")
        if path not in quantity.paths(one.training.model):
            raise RefusedError(
                f"`path` must be the path of a layer or a variable. Received: path={path!r}.", 404
            )
        if quantity.sketch is None:
            raise RefusedError(f"There are no histograms of {quantity.label}.", 404)
        return histogram(one, quantity, path, window)

    def _chosen(self, key: str, runs: Mapping[str, FoundRun], seconds: float) -> Chosen:
        name, _, training_id = key.rpartition(":")
        if name not in runs:
            raise RefusedError(f"`key` must be one of those in /runs. Received: key={key!r}.", 404)
        log = self._logs.get(runs[name].path)
        try:
            log.read_on(seconds)
        except FormatVersionError as error:
            raise RefusedError(str(error)) from error
        except OSError as error:
            raise RefusedError(f"{name} can't be read: {reason_of(error)}.", 404) from error
        begun = {training.id: training for training in runs[name].trainings}
        training = log.trainings.get(training_id) or begun.get(training_id)
        if training is None:
            raise RefusedError(f"`key` must be one of those in /runs. Received: key={key!r}.", 404)
        return Chosen(key, log, training)


def _described(run: FoundRun, training: Training) -> dict[str, Any]:
    return {
        "key": f"{run.name}:{training.id}",
        "run": run.name,
        "training_id": training.id,
        "began": training.began,
        "model": training.model.name,
        "num_layers": len(training.model.layers),
        "resumed_from": training.resumed_from,
    }


def _quantity(query: Query) -> LayerQuantity:
    name = query.get("quantity", DEFAULT)
    if name not in LAYER_QUANTITIES:
        raise RefusedError(
            f"`quantity` must be one of {', '.join(LAYER_QUANTITIES)}. Received: quantity={name!r}."
        )
    return LAYER_QUANTITIES[name]


def _window(query: Query) -> Window:
    columns = _natural(query, "columns", 600)
    if not 1 <= (columns or 0) <= MAX_COLUMNS:
        raise RefusedError(f"`columns` must be 1 to {MAX_COLUMNS}. Received: columns={columns}.")
    return Window(_natural(query, "first", 0) or 0, _natural(query, "stop", None), columns or 1)


def _natural(query: Query, name: str, default: int | None) -> int | None:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise RefusedError(f"`{name}` must be a natural number. Received: {name}={text!r}.")
    return int(text)
