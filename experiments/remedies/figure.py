"""Draws each layer's gradient and update at the first step, and the accuracy."""

from typing import Any

from matplotlib.figure import Figure

from experiments.common.outcome import Results
from experiments.common.style import finish
from experiments.remedies.remedies import UNCHANGED

# Okabe and Ito's, black and gray, each with its own marker.
COLORS = ("#000000", "#D55E00", "#009E73", "#0072B2", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
MARKERS = "Xs^oPDv<"


def draw(results: Results, title: str) -> Figure:
    """Draws gradient and update of each layer at the first step, and accuracy over training."""
    figure = Figure(figsize=(11, 8.5), layout="constrained")
    figure.suptitle(f"A deep sigmoid network, and each remedy by itself\n{title}", fontsize=10)
    (gradient, update), (accuracy, bars) = figure.subplots(2, 2)
    for (name, result), color, marker in zip(results.items(), COLORS, MARKERS, strict=True):
        size = 10 if name == UNCHANGED else 5
        style: dict[str, Any] = {"color": color, "marker": marker, "markersize": size}
        kernels = range(1, len(result["gradient"]) + 1)
        gradient.plot(kernels, result["gradient"], label=name, **style)
        update.plot(kernels, result["update_ratio"], **style)
        epochs, final = range(1, len(result["accuracy"]) + 1), result["accuracy"][-1]
        accuracy.plot(epochs, result["accuracy"], markevery=-(-len(epochs) // 10), **style)
        bars.barh(name, final, 0.55, color=color, zorder=2)
        bars.annotate(f"{final:.2f}%", (final + 1, name), va="center", fontsize=9)
    layer = {"yscale": "log", "xlabel": "layer, from the input to the output"}
    gradient.set(ylabel="L2 norm of the gradient of the kernel", **layer)
    finish(gradient, "Gradient at the first step\n(unchanged by Adam and layer-wise rates)", False)
    update.axhline(1e-3, color="#555555", linestyle=":", label="about 0.001 is healthy (CS231n)")
    update.set(ylabel="norm of the update / norm of the kernel", **layer)
    finish(update, "Update at the first step")
    accuracy.set(xlabel="epoch", ylabel="test accuracy, %", ylim=(0, 100))
    accuracy.xaxis.get_major_locator().set_params(integer=True)
    finish(accuracy, "Accuracy during training", legend=False)
    bars.invert_yaxis()
    bars.set(xlabel="test accuracy, %", xlim=(0, 118), xticks=range(0, 101, 20))
    finish(bars, "Accuracy after training", legend=False)
    figure.legend(handles=gradient.get_lines(), loc="outside lower center", ncols=4)
    return figure
