"""How often does the first advice of a diagnosis cure a sick training run?

Plants known faults in small networks, trains them, and takes the first diagnosis that
`vg_keras.rules` gives. Each advice of that diagnosis is applied by itself, and the network is
trained again within the same budget. It is cured if its loss comes close to that of its twin
without the fault; no rule is asked.
"""

from experiments.common import options

SMALL = ["--num-seeds=1", "--epochs=1", "--codes", "VG301", "VG501"]

CODES = (
    *("VG101", "VG102", "VG103", "VG201", "VG202"),
    *("VG301", "VG401", "VG402", "VG501", "VG502"),
)


def add_options(add: options.Add) -> None:
    """Adds the options of this experiment."""
    options.add_num_seeds(add, 3)
    add("--epochs", type=options.positive, default=2, help="epochs of 192 steps")
    add("--codes", nargs="+", choices=CODES, default=CODES, help="kinds of sickness to plant")
