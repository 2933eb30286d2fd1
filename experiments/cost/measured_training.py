"""Measures one training run: `python -m experiments.cost.measured_training JSON` prints JSON."""

import importlib
import json
import sys

from experiments.common.start import start_tensorflow

if __name__ == "__main__":
    training = json.loads(sys.argv[1])
    start_tensorflow(training["device"])
    # Not at the top: it imports TensorFlow, which has only now started quietly.
    measuring = importlib.import_module("experiments.cost.measuring")
    print(json.dumps(measuring.measure(measuring.Training(**training))))
