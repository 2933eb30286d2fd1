"""How much time and memory does it cost to monitor gradients?

Trains convolutional networks, a vision transformer, an LSTM and deep perceptrons for a few steps,
with plain `fit` and with GradientMonitor, each in its own process. Reports the cost of the first
two steps, which includes tracing, of each further step, and memory.
CPU time and graph operations depend little on the machine's load. CPU time excludes a GPU's work.
"""

import argparse
import re
from functools import partial

from experiments.common import options

SMALL = ["--networks=mlp_2", "--optimizers=sgd", "--steps=2", "--without-xla"]

REAL = ("mobilenet_v2", "resnet50", "efficientnet_b0", "vit_12", "lstm", "mlp_65", "mlp_300")
NETWORKS = (*REAL, "8x128", "8x512")

WAYS = {
    "monitored": ("GradientMonitor with a record of the first step only", 10**9),
    "every_step": ("GradientMonitor with a record of every step", 1),
}
"""The ways that are compared with plain `fit`: the subject of a sentence, and `update_freq`."""

_LISTED = f"{', '.join(NETWORKS)}, or a size: mlp_20 (20 layers), 4x64 (4 hidden layers of 64)"


def add_options(add: options.Add) -> None:
    """Adds the options of this experiment."""
    several = partial(add, nargs="+", metavar="NAME")
    several("--networks", type=network_name, default=list(REAL), help=_LISTED)
    names, default = options.OPTIMIZERS, ["adam", "sgd"]
    several("--optimizers", type=str.lower, choices=names, default=default, help=", ".join(names))
    add("--batch-size", type=options.positive, help="examples in a batch (default: 8 to 128)")
    add("--steps", type=options.at_least_two, help="steps timed at once (default: 8 or 100)")
    add("--patience", type=options.positive, default=300, help="seconds that plain fit may take")
    add("--without-xla", action="store_true", help="train without XLA only")


def network_name(text: str) -> str:
    """Parses the name of a network: one of `NETWORKS`, or a size such as mlp_20 or 4x64."""
    if text in NETWORKS or re.fullmatch(r"mlp_[1-9]\d*|[1-9]\d*x[1-9]\d*", text):
        return text
    raise argparse.ArgumentTypeError(f"there is no network {text!r} (choose from {_LISTED})")
