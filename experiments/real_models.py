"""What does it cost to watch the gradients of the models that people train?

Convolutional networks, a vision transformer, an LSTM and deep perceptrons are trained for a few
steps: without the monitor, with it, and with a record of every step, each in a process of its own.
The cost until the end of the second step, the cost of each further step and the memory are compared
with plain `fit` in the same run. CPU-seconds and numbers of graph operations hardly depend on other
load of the machine.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from experiments.common import command_line, options, real_networks
from experiments.common.measured_training import NEVER, Training, measure_in_process
from experiments.common.outcome import Outcome

if TYPE_CHECKING:
    from rich.console import Console

    from experiments.common.session import Session
    from experiments.common.sweep import Work

SMALL = ["--only=mlp_2", "--steps=2", "--without-xla"]

_PATIENCE = 10
"""A monitored run is given up after this multiple of a plain run's time limit."""

_COLUMNS = {
    "start_cpu_s": "two steps",
    "operations": "graph",
    "peak_mb": "memory",
    "unrecorded_step": "step",
    "recorded_step": "recorded",
}
"""What is compared, as in the table's header."""


def add_options(parser: ArgumentParser) -> None:
    """Adds the options of this experiment."""
    add = parser.add_argument
    add("--only", metavar="NETWORK", nargs="+", default=list(real_networks.NAMES), help="networks")
    add("--optimizers", nargs="+", default=["adam", "sgd"], help="names as Keras knows them")
    add("--batch-size", type=options.positive, default=8, help="examples in a batch")
    add("--steps", type=options.positive, default=8, help="steps that are timed at once")
    add("--patience", type=options.positive, default=300, help="seconds for a plain training")
    add("--without-xla", action="store_true", help="train each without XLA only")


def run(session: Session) -> Outcome:
    """Measures every network with every optimizer, with and without XLA."""
    chosen = session.chosen
    for name in chosen.only:
        real_networks.real_network(name)
    chosen.jobs = 1  # concurrent jobs would disturb the measurement
    runs = [
        (name, optimizer, jit, chosen.batch_size, chosen.steps, chosen.patience)
        for name in chosen.only
        for jit in ((False,) if chosen.without_xla else (False, True))
        for optimizer in chosen.optimizers
    ]
    rows = session.sweep(measure_network, runs)
    _print(session.console, rows)
    return Outcome(_answer(rows), {}, [], {"networks": rows}, {"batch_size": chosen.batch_size})


def measure_network(run: tuple[str, str, bool, int, int, int], work: Work) -> dict[str, Any]:
    """Measures one network without the monitor, with it, and with a record of every step.

    Returns:
        The measurements of each, None if it took too long, and the ratios to plain `fit`.
    """
    name, optimizer, jit, batch_size, steps, patience = run
    found = {}
    for variant, every in (("plain", None), ("monitored", NEVER), ("every step", 1)):
        training = Training(name, optimizer, jit, batch_size, steps, every)
        seconds = patience if variant == "plain" else _PATIENCE * patience
        found[variant] = measure_in_process(training, seconds)
        if found["plain"] is None:
            break
    return {
        "network": name,
        "optimizer": optimizer,
        "jit_compile": jit,
        "measured": found,
        "ratios": _ratios(found),
    }


def _ratios(found: dict[str, dict[str, float] | None]) -> dict[str, float]:
    plain, monitored, every = (found.get(n) for n in ("plain", "monitored", "every step"))
    if plain is None:
        return {}
    ratios = {}
    if monitored is not None:
        ratios = {name: monitored[name] / plain[name] for name in ("start_cpu_s", "operations")}
        ratios["unrecorded_step"] = monitored["step_cpu_ms"] / plain["step_cpu_ms"]
    if every is not None:
        ratios["recorded_step"] = every["step_cpu_ms"] / plain["step_cpu_ms"]
    peaks = [of_one["peak_mb"] for of_one in (monitored, every) if of_one is not None]
    if peaks:
        ratios["peak_mb"] = max(peaks) / plain["peak_mb"]
    return ratios


def _answer(rows: list[dict[str, Any]]) -> str:
    """States the maximum cost of the monitor."""
    most = {
        name: max((row["ratios"][name] for row in rows if name in row["ratios"]), default=0.0)
        for name in _COLUMNS
    }
    return (
        f"The first two steps take at most {most['start_cpu_s']:.1f} times the CPU time and "
        f"{most['operations']:.1f} times the graph operations of plain fit, a recorded step at "
        f"most {most['recorded_step']:.1f} times that of another, and peak memory is at most "
        f"{most['peak_mb']:.1f} times that of plain fit."
    )


def _print(console: Console, rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(
        title="Relative to plain fit, in CPU time",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for heading in ("network", "optimizer", "XLA"):
        table.add_column(heading, no_wrap=True)
    for heading in (*_COLUMNS.values(), "kB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        numbers = [row["ratios"].get(name) for name in _COLUMNS]
        every = row["measured"].get("every step")
        table.add_row(
            row["network"],
            row["optimizer"],
            "yes" if row["jit_compile"] else "no",
            *("-" if number is None else f"{number:.2f}" for number in numbers),
            "-" if every is None else f"{every['bytes_per_record'] / 1e3:,.0f}",
        )
    console.print(table)
    console.print(
        "two steps: CPU time until the second step has ended; graph: operations made until then; "
        "memory: its peak; step: one that is not recorded; recorded: one that is; kB: of a record."
    )


if __name__ == "__main__":
    sys.exit(command_line.main("real_models"))
