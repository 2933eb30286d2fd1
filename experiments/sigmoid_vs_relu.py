"""Why does a deep sigmoid network not learn, where a deep ReLU network does?

Trains the same deep network twice, once with sigmoid and once with ReLU: same seed, same initial
weights, same batches. GradientMonitor shows the gradient of every layer at every recorded step: in
the sigmoid network it is lost on its way from the output to the input.
"""

from __future__ import annotations

import json
import math
import sys
import time
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.common import command_line, options

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import Console

    from experiments.common.mlp import Settings, Trained
    from experiments.common.mnist import Mnist

NAME = "sigmoid_vs_relu"
LABELS = {"sigmoid": "sigmoid", "relu": "ReLU"}
# Okabe and Ito's blue and vermilion, which everyone can tell apart, and another line for each.
STYLES: dict[str, dict[str, Any]] = {
    "sigmoid": {"color": "#0072B2", "marker": "o"},
    "relu": {"color": "#D55E00", "marker": "s"},
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the experiment from the command line and returns the exit status."""
    parser = options.parser(NAME, __doc__)
    options.add_training(parser)
    options.add_surroundings(parser)
    return command_line.run(run, parser.parse_args(arguments))


def run(chosen: Namespace) -> Path:
    """Runs the experiment and returns the folder of its figure and results.json."""
    from rich.console import Console

    from experiments.common import device, mlp, mnist
    from experiments.common.progress import TrainingProgress

    console = Console(quiet=chosen.quiet, soft_wrap=True, highlight=False)
    device_name = device.choose(chosen.device)
    console.print(f"Device: {device_name}")
    data = mnist.load(chosen.data, console.print).limited(chosen.limit)
    settings = mlp.settings(chosen, data)
    logs = options.new_folder(Path(chosen.log_dir, NAME))
    output = options.make_folder(Path(chosen.output)) if chosen.output else logs
    console.print(f"Data: {data}\nNetwork: {settings}, {settings.steps(data):,} steps")

    began = time.perf_counter()
    with TrainingProgress(console, len(LABELS) * settings.steps(data)) as progress:
        networks = [
            mlp.train(activation, settings, data, logs / activation, [progress.follow(label)])
            for activation, label in LABELS.items()
        ]
    seconds = time.perf_counter() - began

    _print_table(console, networks)
    for network in networks:
        console.print(
            f"{LABELS[network.activation]}: {_shrinks(network)} from the last hidden layer to the "
            f"first; test accuracy {network.test_accuracy:.2%}."
        )
    figure = draw(networks, settings, data)
    for suffix in ("png", "svg"):
        figure.savefig(output / f"{NAME}.{suffix}", dpi=150)
    results = _results(networks, settings, data, device_name, seconds)
    (output / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    console.print(
        f"\nFigure:  {output / NAME}.png and .svg\n"
        f"Numbers: {output / 'results.json'}\n"
        f"Logs:    {Path(sys.executable).parent / 'tensorboard'} --logdir {logs}",
    )
    return output


def _print_table(console: Console, networks: list[Trained]) -> None:
    from rich.table import Table

    first, last = networks[0].records[0].step, networks[0].records[-1].step
    table = Table(title="L2 norm of the gradient of each layer's kernel", title_justify="left")
    table.add_column("layer")
    for network in networks:
        for step in (first, last):
            table.add_column(f"{LABELS[network.activation]}\nstep {step:,}", justify="right")

    def add(title: str, cell: Any, end_section: bool = False) -> None:
        cells = [cell(n, r) for n in networks for r in (n.records[0], n.records[-1])]
        table.add_row(title, *cells, end_section=end_section)

    names = [path.rpartition("/")[0] for path in networks[0].kernels]
    for i, name in enumerate(names):
        is_last = i == len(names) - 1
        add(name, lambda n, r, i=i: f"{r.gradients[n.kernels[i]].norm:.2e}", is_last)
    add(
        "decades lost on the way\nfrom hidden_N to hidden_1".replace("N", str(len(names) - 1)),
        lambda n, r: f"{n.decades_lost(r):.2f}",
    )
    after = networks[0].records[-1]
    add("test accuracy", lambda n, r: f"{n.test_accuracy:.2%}" if r.step == after.step else "")
    add("test loss", lambda n, r: f"{n.test_loss:.4f}" if r.step == after.step else "")
    console.print(table)


def draw(networks: list[Trained], settings: Settings, data: Mnist) -> Figure:
    """Draws the figure: gradients over steps side by side, by depth, and what came of it."""
    from matplotlib.figure import Figure

    from vg_keras.figures.gradient_norm_by_step import gradient_norm_by_step

    figure = Figure(figsize=(11, 8), layout="constrained")
    figure.suptitle(
        "How the gradient flows through one and the same network with sigmoid and with ReLU\n"
        f"{data.name}; {settings}",
        fontsize=11,
    )
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.15, 1])  # type: ignore[misc]
    by_step = upper.subplots(1, 2, sharey=True)
    for axes, network in zip(by_step, networks, strict=True):
        names = [path.rpartition("/")[0].replace("_", " ") for path in network.kernels]
        gradient_norm_by_step(network.records, axes, network.kernels, names)
        axes.set_title(
            f"{LABELS[network.activation]}: test accuracy {network.test_accuracy:.1%}, "
            f"{_shrinks(network)}",
            fontsize=11,
        )
        axes.grid(alpha=0.3)
    by_step[1].set_ylabel("")
    by_step[1].legend(title="kernel of", fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    by_depth, loss, accuracy = lower.subplots(1, 3)
    _draw_depth(by_depth, networks)
    _draw_curves(loss, networks, "loss", "cross-entropy, nats", 1.0)
    _draw_curves(accuracy, networks, "accuracy", "accuracy, %", 100.0)
    accuracy.set_ylim(0, 100)
    return figure


def _shrinks(network: Trained) -> str:
    """Says what becomes of the gradient at the last recorded step."""
    decades = network.decades_lost(network.records[-1])
    if not math.isfinite(decades):
        return "gradient lost or not finite"
    if abs(decades) < 1:
        return "gradient about level"
    return f"gradient {'shrinks' if decades > 0 else 'grows'} {10 ** abs(decades):,.0f}-fold"


def _draw_depth(axes: Axes, networks: list[Trained]) -> None:
    from vg_keras.figures.gradient_norm_by_depth import gradient_norm_by_depth

    for network in networks:
        label, style = LABELS[network.activation], STYLES[network.activation]
        for record, line, fill in (
            (network.records[0], "--", "none"),
            (network.records[-1], "-", style["color"]),
        ):
            gradient_norm_by_depth(
                record,
                axes,
                network.kernels,
                label=f"{label}, step {record.step:,}",
                linestyle=line,
                markerfacecolor=fill,
                markersize=4,
                **style,
            )
    axes.set_title("Gradient by depth")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _draw_curves(axes: Axes, networks: list[Trained], name: str, unit: str, factor: float) -> None:
    for network in networks:
        style = STYLES[network.activation]
        for prefix, words, line in (("", "training", ":"), ("val_", "test", "-")):
            values = [factor * v for v in network.history[prefix + name]]
            epochs = range(1, len(values) + 1)
            label = f"{LABELS[network.activation]}, {words}"
            every = -(-len(values) // 10)
            axes.plot(epochs, values, line, label=label, markersize=4, markevery=every, **style)
    axes.set_title(name.capitalize())
    axes.set_xlabel("epoch")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _results(
    networks: list[Trained], settings: Settings, data: Mnist, device_name: str, seconds: float
) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    import vg_keras

    return {
        "question": (__doc__ or "").splitlines()[0],
        "settings": asdict(settings),
        "data": {
            "name": data.name,
            "source": data.source,
            "training_images": len(data.x_train),
            "test_images": len(data.x_test),
        },
        "device": device_name,
        "versions": {
            "vg_keras": vg_keras.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
        "seconds": round(seconds, 1),
        "networks": {network.activation: _numbers(network) for network in networks},
    }


def _numbers(network: Trained) -> dict[str, Any]:
    return {
        "test_accuracy": network.test_accuracy,
        "test_loss": network.test_loss,
        "decades_lost": [network.decades_lost(record) for record in network.records],
        "steps": [record.step for record in network.records],
        "gradient_norms": {
            path: [record.gradients[path].norm for record in network.records]
            for path in network.kernels
        },
        "parameters": network.num_parameters,
        "history": network.history,
    }


if __name__ == "__main__":
    sys.exit(main())
