"""Are the diagnoses right?

A generator draws small networks, data sets and optimizers, and trains each network twice: as it is,
and with one planted fault. Whether a run is sick is decided by what it has learned in comparison
with its twin, never by a rule. The rules of `vg_keras.rules` and those of five publications judge
the same records. What is reported are runs that no threshold was set on and no rule was mended by.
"""

from experiments.common import options

SMALL = ["--num-runs=2", "--steps=12", "--seed=1002"]


def add_options(add: options.Add) -> None:
    """Adds the options of this experiment."""
    add("--num-runs", type=options.positive, default=160, help="number of networks that are drawn")
    add("--steps", type=options.positive, default=180, help="steps of each run")
    add("--seed", type=options.natural, default=1000, help="number of the first run")
