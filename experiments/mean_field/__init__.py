"""Can mean-field theory predict from activation and initializer whether the gradient vanishes?

Theory gives sqrt(chi) for each pair of activation and initializer: the factor per layer by which
the backpropagated signal changes in a deep network with random weights. GradientMonitor measures it
at the first training step. Inputs are Gaussian and labels random: no data set is needed.

Each network is measured twice: with inputs from which the forward pass starts at its fixed point,
where sqrt(chi) applies exactly, and with inputs of variance 1. Some networks take hundreds of
layers to approach their fixed point, so theory is also evaluated layer by layer.
"""

from functools import partial

from experiments.common import options

SMALL = ["--depth=4", "--width=16", "--draws=1"]

add_options = partial(options.add_draws, default=3)
