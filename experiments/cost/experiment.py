"""Measures training runs with and without the monitor and compares them."""

from dataclasses import asdict, replace
from typing import Any

from rich.table import Table

from experiments.common.outcome import Outcome
from experiments.common.session import Session
from experiments.common.sweep import Work
from experiments.cost import WAYS
from experiments.cost.measuring import Training, measure_in_process

METRICS = {
    "start_cpu_s": ("CPU time of the first two steps", "{:,.1f} s"),
    "operations": ("graph operations", "{:,.0f}"),  # created in the first two steps
    "step_cpu_ms": ("CPU time of each further step", "{:,.1f} ms"),
    "peak_mb": ("peak memory", "{:,.0f} MB"),
}
"""What is compared: its name, and the format of plain fit's value."""


def run(session: Session) -> Outcome:
    """Measures every network with every optimizer, with and without XLA."""
    options = session.options
    options.jobs = 1  # concurrent jobs would disturb the measurement
    runs = []
    for name in dict.fromkeys(options.networks):
        size, steps = (128, 100) if name[0].isdigit() else (8, 8)  # more for small networks
        size, steps = options.batch_size or size, options.steps or steps
        for jit in (False,) if options.without_xla else (False, True):
            for optimizer in dict.fromkeys(options.optimizers):
                plain = Training(name, optimizer, jit, size, steps, options.device)
                runs.append((plain, options.patience))
    rows = session.sweep(measure_network, runs)
    session.console.print(table(rows))
    return Outcome(answer(rows), [], {"networks": rows}, {"ways": ["plain", *WAYS]})


def measure_network(run: tuple[Training, int], work: Work) -> dict[str, Any]:
    """Returns the settings, what was measured of each way to train, and the ratios to plain fit."""
    training, patience = run
    plain = measure_in_process(training, patience)
    found, ratios = {"plain": plain}, {}
    for way in WAYS if plain else ():
        found[way] = measured = measure_in_process(replace(training, way=way), 10 * patience)
        if plain and measured:
            ratios[way] = {metric: measured[metric] / plain[metric] for metric in METRICS}
    return asdict(training) | {"measured": found, "ratios": ratios}


def answer(rows: list[dict[str, Any]]) -> str:
    """States the maximum cost of each way to train."""
    sentences = []
    for way, (subject, _) in WAYS.items():
        if of_way := [row["ratios"][way] for row in rows if way in row["ratios"]]:
            *factors, last = (
                f"{name} by up to {max(ratios[metric] for ratios in of_way):.1f}"
                for metric, (name, _) in METRICS.items()
            )
            sentences.append(f"{subject} multiplies {', '.join(factors)} and {last}.")
    if given_up := [way for row in rows for way, found in row["measured"].items() if not found]:
        sentences.append(f"Training runs that exceeded the time limit: {len(given_up)}.")
    return " ".join(sentences) or "Nothing was compared with plain fit."


def table(rows: list[dict[str, Any]]) -> Table:
    """Returns the table of all networks and ways to train."""
    made = Table(title="Ratios to plain fit", title_justify="left", box=None, padding=(0, 1, 0, 0))
    made.add_column(no_wrap=True)
    for heading in (*(name for name, _ in METRICS.values()), "kB per record"):
        made.add_column(heading, justify="right", max_width=11)
    for row in rows:
        xla = ", XLA" if row["jit_compile"] else ""
        for way, found in row["measured"].items():
            if way == "plain":
                label = f"{row['network']}, {row['optimizer']}{xla}"
                cells = [found and form.format(found[m]) for m, (_, form) in METRICS.items()]
            else:
                label = f"  {way}"
                cells = [found and f"{row['ratios'][way][m]:.2f}" for m in METRICS]
            size = found and found["bytes_per_record"]
            made.add_row(label, *cells, f"{size / 1e3:,.0f}" if size else None)
    return made
