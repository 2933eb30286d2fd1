"""How much more slowly do the early layers of a sigmoid network learn than the later ones?

Repeats the measurement in chapter 5 of Michael Nielsen's book "Neural Networks and Deep Learning":
networks with two, three and four hidden layers of 30 sigmoid units, trained on the first 1,000
digits, all of them in each step. GradientMonitor records each hidden layer's speed of learning as
the book defines it: the L2 norm of the gradient of its biases. The book shows one unseeded network
of each depth; here many are drawn, and the book's numbers are compared with their distribution.
"""

from experiments.common import options

SMALL = ["--draws=5", "--num-seeds=2", "--epochs=3", "--limit=20"]


def add_options(add: options.Add) -> None:
    """Adds the options of this experiment."""
    add("--draws", type=options.positive, default=400, help="networks measured at the start")
    add("--epochs", type=options.positive, default=500, help="steps of each training run")
    options.add_num_seeds(add, 20)
    options.add_data(add, limit=1000)  # as many as in the book
