"""Trains both networks and reads the monitor's logs."""

import shutil
from dataclasses import asdict, replace
from typing import Any

from rich.table import Table

from experiments.common import mlp
from experiments.common.outcome import Outcome
from experiments.common.session import Session
from experiments.common.style import LABELS
from experiments.common.sweep import Work
from experiments.sigmoid_vs_relu.expected import Networks, checks, median
from experiments.sigmoid_vs_relu.figure import change, draw
from vg_keras import read_run

ACTIVATIONS = ("sigmoid", "relu")


def run(session: Session) -> Outcome:
    """Trains the networks, reads the monitor's logs, and compares them."""
    data, first = session.digits, mlp.settings(session.options, session.digits)
    session.console.print(f"Network: {first}, {first.steps(data):,} steps")
    seeds = range(first.seed, first.seed + session.options.num_seeds)
    runs = [(activation, replace(first, seed=seed)) for activation in ACTIVATIONS for seed in seeds]
    networks: Networks = {activation: [] for activation in ACTIVATIONS}
    for (activation, settings), rest in zip(runs, session.sweep(train, runs), strict=True):
        training = read_run(session.work.folder / log_name(activation, settings)).latest
        networks[activation].append(mlp.Trained(training, *rest))
    session.console.print(_table({name: found[0] for name, found in networks.items()}))
    answers, findings = [], {}
    for name, found in networks.items():
        gradient, accuracy = (f"{what} with {LABELS[name]}" for what in ("gradient", "accuracy"))
        answers.append(
            f"With {LABELS[name]}, the gradient {{{gradient}}} from the last hidden layer to the "
            f"first at the end of training, and test accuracy is {{{accuracy}}}."
        )
        findings[gradient] = change(found)
        findings[accuracy] = f"{median(found, lambda n: n.test_accuracy):.2%}"
    numbers = {"seeds": list(seeds)} | {name: [*map(_numbers, n)] for name, n in networks.items()}
    compared, figure = [*checks(networks, first, data)], draw(networks, first, data)
    return Outcome(" ".join(answers), compared, numbers, asdict(first), figure, findings)


def train(run: tuple[str, mlp.Settings], work: Work) -> tuple[Any, ...]:
    """Trains one network, and returns what `Trained` contains besides the records of its log."""
    activation, settings = run
    log_dir = work.folder / log_name(activation, settings)
    shutil.rmtree(log_dir, ignore_errors=True)  # leftovers of an interrupted run
    trained = mlp.train(mlp.build(activation, settings), settings, work, log_dir)
    return trained.kernels, trained.history, trained.num_parameters


def log_name(activation: str, settings: mlp.Settings) -> str:
    """Returns the name of a network's log."""
    return activation if settings.seed == 0 else f"{activation}_seed_{settings.seed}"


def _table(networks: dict[str, mlp.Trained]) -> Table:
    table = Table(title="L2 norm of the gradient of each layer's kernel", title_justify="left")
    table.add_column("layer")
    columns = [(name, n.records[i]) for name, n in networks.items() for i in (0, -1)]
    for name, record in columns:
        table.add_column(f"{LABELS[name]}\nstep {record.step:,}", justify="right")
    paths = networks["sigmoid"].kernels
    for path in paths:
        norms = [f"{record.gradients[path].norm:.2e}" for _, record in columns]
        table.add_row(path.rpartition("/")[0], *norms, end_section=path == paths[-1])
    lost = [f"{networks[name].decades_lost(record):.2f}" for name, record in columns]
    table.add_row("decades lost from the last\nhidden layer to the first", *lost)
    for title, form in (("test accuracy", ".2%"), ("test loss", ".4f")):
        after = [getattr(network, title.replace(" ", "_")) for network in networks.values()]
        table.add_row(title, *(cell for value in after for cell in ("", format(value, form))))
    return table


def _numbers(network: mlp.Trained) -> dict[str, Any]:
    records, kernels = network.records, network.kernels
    return {
        "test_accuracy": network.test_accuracy,
        "test_loss": network.test_loss,
        "decades_lost": [network.decades_lost(record) for record in records],
        "steps": [record.step for record in records],
        "gradient_norms": {k: [record.gradients[k].norm for record in records] for k in kernels},
        "parameters": network.num_parameters,
        "history": network.history,
    }
