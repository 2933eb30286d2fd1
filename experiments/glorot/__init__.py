"""Do equal weight gradients in all layers mean that the backpropagated signal does not vanish?

Repeats Glorot and Bengio's experiment of 2010 on the first step of deep tanh networks: under the
standard initialization of their time the weight gradients are as large in the first layers as in
the last, and yet the backpropagated signal shrinks by sqrt(1/3) at each layer. GradientMonitor
records both. Inputs are Gaussian and labels random: no data set is needed.

The singular values of each layer's Jacobian, d(output)/d(input), are computed in NumPy. Their root
mean square must equal the factor by which the recorded signal changes at that layer.
"""

from functools import partial

from experiments.common import options

SMALL = ["--depth=4", "--width=16", "--draws=2"]

add_options = partial(options.add_draws, default=10)
