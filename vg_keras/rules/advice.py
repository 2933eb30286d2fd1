"""Advice that several rules give, and the advice whose numbers depend on the evidence.

`experiments/cures` applies every text to sick networks and counts how often it cures them.
"""

from __future__ import annotations

LOWER_RATE = "Lower the learning rate by a factor of ten, and to no more than 0.01."
"""A factor of ten alone does not cure a rate of 1 or more. 0.01 is Keras's default for SGD. If
it is still too large, as it can be for Adam, the next diagnosis says so."""

CLIP = "Clip the gradient: `clipnorm=1.0` in the optimizer."
INITIALIZER = (
    "Use an initializer that fits: he_normal for ReLU, glorot_uniform for tanh, orthogonal for "
    "recurrent weights."
)
LOWER_DECAY = (
    "Lower the weight decay of the optimizer to about 0.004, or the factor of the regularizer to "
    "about 1e-4."
)
"""Keras's default of AdamW, and a usual factor of L2."""


def raise_rate(factor: float) -> str:
    """Returns the advice to raise the learning rate by a factor."""
    return f"Raise the learning rate by a factor of about {factor:.0e}."
