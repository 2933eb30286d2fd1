"""The contents of a report, independent of its layout: verdicts, settings and numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from vg_keras.comparison import Comparison, compare
from vg_keras.layer_quantities import LAYER_QUANTITIES, first_common
from vg_keras.layer_table import LayerRow, layer_table
from vg_keras.log.reader import OnProgress, iter_records
from vg_keras.logged_runs import LoggedRun
from vg_keras.rules.diagnosis import counted, steps_in_words
from vg_keras.rules.examination import Examination
from vg_keras.rules.verdict import Verdict

MAX_EXAMINED = 2000
"""Records that are examined if the verdict in the log is older than them, in about ten seconds."""

IDENTITY = ("Training run", "Log", "Began", "Cost of monitoring")
"""Settings that differ between any two training runs."""

_OF_EMA = ("ema_momentum", "ema_overwrite_frequency")

_SHORT = 300
"""Seconds of training below which the first records, several in a row, exceed the budget."""


@dataclass(frozen=True)
class Section:
    """What the report says of one training run.

    Args:
        run: The training run.
        verdict: The verdict; None if there is none.
        notes: Sentences on how far the verdict goes, and on missing or damaged parts of the log.
        layers: A row for each layer at the last record.
        layers_step: The step of the last record, or None.
        marked: The paths of the layers that a diagnosis concerns.
    """

    run: LoggedRun
    verdict: Verdict | None
    notes: tuple[str, ...]
    layers: tuple[LayerRow, ...]
    layers_step: int | None
    marked: frozenset[str]

    @property
    def title(self) -> str:
        """The most serious problem, or that there is none."""
        if self.verdict is None:
            return "No verdict"
        return self.verdict.title if self.verdict.diagnoses else self.verdict.headline

    @property
    def severity(self) -> str:
        """The highest severity of its diagnoses, "none", or "unknown" without a verdict."""
        if self.verdict is None or not self.verdict.num_records:
            return "unknown"
        return min((d.severity for d in self.verdict.diagnoses), default="none")


def section(run: LoggedRun, on_progress: OnProgress | None = None) -> Section:
    """Collects what the report says of a training run.

    Args:
        run: The training run.
        on_progress: Called while its records are examined.
    """
    verdict, note = _verdict(run, on_progress)
    marked = run.training.model.layers_of(verdict.paths if verdict else ())
    record = run.last_record
    layers = layer_table(run.training.model, record) if record else []
    step = record.step if record else None
    notes = (*([note] if note else []), *run.notes)
    return Section(run, verdict, notes, tuple(layers), step, marked)


def _verdict(run: LoggedRun, on_progress: OnProgress | None) -> tuple[Verdict | None, str]:
    """Returns the verdict in the log, or examines the records if it is older than these.

    A run that was killed has no verdict on its last records.
    """
    stored, number = run.training.verdict, run.table.num_records
    if stored is not None and stored.num_records >= number:
        return stored, ""
    if number <= MAX_EXAMINED:
        examination = Examination(run.training)
        for examined, record in enumerate(iter_records(run.log, run.training.id), 1):
            examination.update(record)
            if on_progress is not None:
                on_progress(run.log, examined / number)
        return examination.verdict, ""
    covered = "no verdict on" if stored is None else f"a verdict on {stored.num_records:,} of"
    return stored, (
        f"The log has {covered} its {number:,} records. Run `vg-keras diagnose` to examine them."
    )


def worst_first(sections: Sequence[Section]) -> list[Section]:
    """Returns sections in the order of their severity, and otherwise in the given order."""
    order = ("error", "warning", "unknown", "none")
    return sorted(sections, key=lambda section: order.index(section.severity))


def comparison(runs: Sequence[LoggedRun]) -> tuple[str, Comparison] | None:
    """Compares the last records of several training runs.

    Returns:
        The quantity in words, and the comparison; None if there is nothing to compare.
    """
    name = first_common(run.last_recorded for run in runs)
    if len(runs) < 2 or name is None:
        return None
    profiles = [run.last_profile(name) for run in runs]
    return LAYER_QUANTITIES[name].label, compare(profiles)


def settings(run: LoggedRun) -> Mapping[str, str]:
    """Returns the settings and the outcome of a training run, as texts, by what they are."""
    training = run.training
    chosen, layers = training.settings, len(training.model.layers)
    found = {
        "Model": f"{training.model.name}, {counted(layers, 'monitored layer')}",
        "Training run": training.id,
        "Log": run.log,
        "Began": f"{datetime.fromtimestamp(training.began, UTC):%Y-%m-%d %H:%M:%S} UTC",
        "Records": _records(run),
        "Loss": chosen.loss or "",
        "Training loss": _losses(run),
        "Batch size": _plain(chosen.batch_size),
        **_optimizers(run),
        "update_freq": _plain(chosen.update_freq),
        "Recorded": _recorded(run),
        "Versions": ", ".join(f"{name} {version}" for name, version in chosen.versions.items()),
        "Cost of monitoring": _cost(run),
        "Damage": " ".join(run.damage),
    }
    return {name: text for name, text in found.items() if text}


def _records(run: LoggedRun) -> str:
    steps = run.table.steps
    if not len(steps):
        return "none"
    resumed = run.training.resumed_from
    after = "" if resumed is None else f", resumed from step {resumed:,}"
    number = counted(run.table.num_records, "record")
    return f"{number}, {steps_in_words(steps[0], run.table.last_step or 0)}{after}"


def _losses(run: LoggedRun) -> str:
    if not run.losses:
        return ""
    (first, one), (last, other) = run.losses[0], run.losses[-1]
    return f"{_loss(one)} at step {first:,}, {_loss(other)} at step {last:,}"


def _loss(loss: float) -> str:
    return f"{loss:.4g}" if math.isfinite(loss) else "NaN or infinite"


def _recorded(run: LoggedRun) -> str:
    """Returns the names of the chosen quantities of which there are records."""
    is_missing = {name: name not in run.table.quantities for name in LAYER_QUANTITIES}
    is_missing["loss"] = not run.losses
    return ", ".join(q for q in run.training.settings.quantities if not is_missing.get(q))


def _optimizers(run: LoggedRun) -> dict[str, str]:
    optimizers = run.training.settings.optimizers
    found = {}
    for number, optimizer in enumerate(optimizers, 1):
        name = "Optimizer" if len(optimizers) == 1 else f"Optimizer {number}"
        rate = optimizer.learning_rate
        hidden = {"name", "learning_rate", *([] if optimizer.config.get("use_ema") else _OF_EMA)}
        config = {k: v for k, v in optimizer.config.items() if v and k not in hidden}
        parts = [optimizer.type, *([] if rate is None else [f"learning rate {rate:g}"])]
        found[name] = ", ".join([*parts, *(f"{key} {_plain(v)}" for key, v in config.items())])
    return found


def _cost(run: LoggedRun) -> str:
    cost, record = run.training.cost, run.last_record
    if cost is None or record is None or math.isnan(cost.fraction):
        return ""
    seconds = record.wall_time - run.training.began
    first = "; the first records cost the most" if seconds < _SHORT else ""
    size = f"{cost.num_bytes / 1e6:.1f} MB on disk"
    return f"{cost.fraction:.1%} of the training time in {_duration(seconds)}{first}, {size}"


def _duration(seconds: float) -> str:
    """Returns "20 seconds", "20 minutes" or "20 hours"."""
    for unit, size in (("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return counted(round(seconds / size), unit)
    return counted(max(round(seconds), 0), "second")


def _plain(value: object) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
