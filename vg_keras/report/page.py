"""Fills the template of a report. Every text is escaped, so a name can't become markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import vg_keras
from vg_keras.log.reader import OnProgress
from vg_keras.logged_runs import LoggedRun
from vg_keras.report.contents import IDENTITY, comparison, section, settings, worst_first
from vg_keras.report.pictures import pictures
from vg_keras.report.templating import template


def page(
    runs: Sequence[LoggedRun],
    source: str,
    note: str = "",
    on_progress: OnProgress | None = None,
) -> str:
    """Returns a report of training runs, as one HTML document that needs no other file.

    Args:
        runs: The training runs.
        source: What was read, in words, for the title.
        note: A sentence on what the report leaves out, or empty.
        on_progress: Called while records are examined.
    """
    sections = [section(run, on_progress) for run in runs]
    of_runs = [settings(run) for run in runs]
    names = dict.fromkeys(name for of_run in of_runs for name in of_run)
    recorded = [run for run in runs if run.table.num_records]
    document: str = template("report.html").render(
        source=source,
        note=note,
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        version=vg_keras.__version__,
        sections=sections,
        verdicts=worst_first(sections),
        pictures=pictures(recorded),
        compared=comparison(recorded),
        compared_runs=[run.name for run in recorded],
        settings=[_row(name, of_runs) for name in names],
    )
    return document


def _row(name: str, of_runs: Sequence[Mapping[str, str]]) -> tuple[str, list[str], bool]:
    """Returns a setting, its values, and whether they differ although they need not."""
    values = [of_run.get(name, "") for of_run in of_runs]
    return name, values, len(set(values)) > 1 and name not in IDENTITY
