"""Draws the settings of a run with a planted fault; its healthy twin is the same without the fault.

A run depends on its number only. Runs below `FIRST_HELD_OUT` are for setting thresholds; the others
are held out. `networks.py` and `datasets.py` make a run from its settings.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.diagnosis_record.faults import FAULTS

_NETWORKS = ("mlp", "mlp", "mlp", "conv", "rnn", "transformer")
_DATA: tuple[dict[str, Sequence[str]], ...] = (
    {
        "mlp": ("blobs", "circles", "surface", "stripes"),
        "conv": ("bars",),
        "rnn": ("sums",),
        "transformer": ("majority",),
    },
    {
        "mlp": ("digits", "spirals", "waves", "quadrants"),
        "conv": ("digit_images",),
        "rnn": ("first",),
        "transformer": ("marked",),
    },
)
"""Data sets of the even and of the odd runs, by kind of network."""

FIRST_HELD_OUT = 1000
"""The number of the first run that no threshold may be set on."""

LOOKALIKES = ("", "", "", "", "dropout", "zero_last", "tiny_batch", "converged", "imbalanced")
"""What makes a healthy run look sick; none in four of nine."""

_INITIALIZERS = {
    "relu": ("he_normal", "he_uniform"),
    "leaky_relu": ("he_normal", "orthogonal"),
    "elu": ("he_normal", "glorot_uniform"),
    "selu": ("lecun_normal",),
    "gelu": ("he_normal", "he_uniform"),
    "silu": ("he_normal", "he_uniform"),
    "tanh": ("glorot_uniform", "glorot_normal", "orthogonal"),
    "softsign": ("glorot_uniform", "orthogonal"),
    "sigmoid": ("glorot_uniform", "glorot_normal"),
}
"""Initializers that fit an activation."""

_RATES = {"sgd": 0.1, "momentum": 0.03, "adam": 0.005}
_DEPTHS = {
    "mlp": (2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8, 8, 10) * 2 + (12, 20, 30),
    "conv": (2, 3, 4, 5, 6, 8),
    "rnn": (1, 2),
    "transformer": (1, 2),
}
_DEEPEST_PLAIN = {"softsign": 6, "tanh": 10}
"""Hidden layers up to which an activation trains without normalization or shortcuts; others 8."""


@dataclass(frozen=True)
class Run:
    """The settings of a run: plain values that can be written as JSON.

    Args:
        number: The number of the run, which is the seed of everything random in it.
        network: "mlp", "conv", "rnn" or "transformer".
        data: The name of a function of `datasets.py`.
        depth: Number of hidden layers, or of blocks of a Transformer.
        width: Units of each of them.
        activation: Their activation function; the kind of layer in a recurrent network.
        initializer: The initializer of their kernels.
        normalization: "", "batch" or "layer": what stands before each activation.
        residual: Whether shortcuts lead past each hidden layer.
        optimizer: "sgd", "momentum" or "adam".
        rate: Its learning rate.
        batch_size: Examples in a batch.
        lookalike: One of `LOOKALIKES`.
        fault: The name of the planted fault, or "" for a healthy twin.
        strength: How strong the fault is; see `faults.py`.
        place: The number of the hidden layer that has the fault, from 1; 0 for all of them.
    """

    number: int
    network: str
    data: str
    depth: int
    width: int
    activation: str
    initializer: str
    normalization: str
    residual: bool
    optimizer: str
    rate: float
    batch_size: int
    lookalike: str = ""
    fault: str = ""
    strength: float = 0.0
    place: int = 0

    @property
    def twin(self) -> Run:
        """The same run without the fault."""
        return dataclasses.replace(self, fault="", strength=0.0, place=0)

    @property
    def name(self) -> str:
        """A name for files and tables."""
        return f"{self.number:03}-{self.fault or 'healthy'}"

    def __str__(self) -> str:
        """Describes the run in one line."""
        extras = [self.normalization and f"{self.normalization} normalization"]
        extras += ["residual" if self.residual else "", self.lookalike.replace("_", " ")]
        extras += [f"{self.fault} {self.strength:.3g} at {self.place}" if self.fault else ""]
        return ", ".join(
            [
                f"{self.network} on {self.data}",
                f"{self.depth} x {self.width} {self.activation}",
                self.initializer,
                f"{self.optimizer} {self.rate:.2g}",
                f"batch {self.batch_size}",
                *filter(None, extras),
            ]
        )


def draw(number: int) -> Run:
    """Returns the run of this number, with its fault, if it has one.

    The faults take turns, so that each is planted equally often in even and in odd runs.
    """
    name = _PLAN[number // 2 % len(_PLAN)]
    fits = FAULTS[name].fits if name else _is_rare
    generator = np.random.default_rng([number, 1])
    run = _healthy(number, generator)
    while not fits(run):
        run = _healthy(number, generator)
    if not name:
        return run
    strength, place = FAULTS[name].draw(run, generator)
    return dataclasses.replace(run, fault=name, strength=strength, place=place)


_PLAN: Sequence[str] = [
    *("sigmoid", "large_weights", "dead_bias", "nan_inputs", "large_rate", "tiny_rate", ""),
    *("small_weights", "nan_layer", "zero_inputs", "unscaled_inputs", "constant_weights", ""),
    *("sigmoid", "large_weights", "dead_bias", "nan_targets", "large_rate", "disconnected", ""),
    *("small_weights", "large_recurrent_weights", "dead_bias", "saturating_weights"),
    *("regularizer", ""),
]
"""The faults in the order in which they take turns: the four common kinds more often, and healthy
runs of the kinds of networks in which few faults can be planted."""


def _is_rare(run: Run) -> bool:
    is_deep = run.network in ("mlp", "conv") and run.depth > 4
    return run.network == "transformer" or bool(is_deep and run.normalization)


def _healthy(number: int, generator: np.random.Generator) -> Run:
    """Draws settings with which a network of this kind usually learns."""

    def one_of(values: Sequence[Any]) -> Any:
        return values[int(generator.integers(len(values)))]

    network = one_of(_NETWORKS)
    data = one_of(_DATA[number % 2][network])
    depth, activation = one_of(_DEPTHS[network]), one_of(list(_INITIALIZERS))
    initializer = one_of(_INITIALIZERS[activation])
    normalization, residual = one_of(["", "batch", "layer"]), bool(one_of([0, 1]))
    if activation == "sigmoid":
        depth = min(depth, 2)
    if network == "rnn":
        activation, initializer = one_of(["SimpleRNN", "GRU", "LSTM"]), "glorot_uniform"
    if network in ("rnn", "transformer"):
        normalization, residual = "", network == "transformer"
    if network == "transformer":
        activation, initializer = one_of(["relu", "gelu"]), "glorot_uniform"
    if depth > _DEEPEST_PLAIN.get(activation, 8) and not residual:
        normalization = normalization or "batch"
    if residual and depth > 3 and network != "transformer":
        normalization = normalization or "layer"
    optimizer = one_of(["sgd", "momentum", "adam", "adam"])
    if activation == "sigmoid" or network in ("rnn", "transformer"):
        optimizer = "adam"
    lookalike = one_of(LOOKALIKES)
    rate = _RATES[optimizer] * 2 ** generator.uniform(-1, 1) / max(1.0, depth / 4) ** 0.5
    return Run(
        number,
        network,
        data,
        depth,
        one_of([16, 24, 32]) if network != "conv" else one_of([8, 12]),
        activation,
        initializer,
        normalization,
        residual,
        optimizer,
        float(f"{rate:.2g}"),
        4 if lookalike == "tiny_batch" else one_of([16, 32, 32, 64]),
        lookalike,
    )
