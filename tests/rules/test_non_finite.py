"""VG301 on scripted records."""

import math

import pytest
from scripted import KERNELS, LAYERS, findings, is_sick, record_at, with_nan

from vg_keras.rules.non_finite import NonFinite

RULE = NonFinite()
BAD_GRADIENT = {"gradients": with_nan(KERNELS, KERNELS[1])}


def test_it_is_found_at_the_second_record_and_dated_to_the_first():
    records = [record_at(0), record_at(5, **BAD_GRADIENT), record_at(6, **BAD_GRADIENT)]
    found = findings(RULE, records)

    assert found[:2] == [None, None]
    assert found[2].since == 5
    assert found[2].message == (
        "1 of 2 values of the gradient of net/hidden_2/kernel are NaN or infinite: the first place "
        "in the order of computation."
    )


@pytest.mark.parametrize(
    ("quantities", "place"),
    [
        (BAD_GRADIENT, KERNELS[1]),
        ({"activations": with_nan(LAYERS, LAYERS[3], math.inf), **BAD_GRADIENT}, LAYERS[3]),
        ({"weights": with_nan(KERNELS, KERNELS[4]), **BAD_GRADIENT}, KERNELS[4]),
        (
            {
                "activation_gradients": with_nan(LAYERS, LAYERS[4])
                | with_nan(LAYERS[:1], LAYERS[0]),
                **BAD_GRADIENT,
            },
            LAYERS[4],  # the backward pass begins at the last layer
        ),
    ],
    ids=["gradient", "output", "weights", "backward"],
)
def test_the_first_place_in_the_order_of_computation_is_named(quantities, place):
    found = findings(RULE, [record_at(step, **quantities) for step in (0, 1)])

    assert found[1].paths == (place,)


def test_single_steps_that_a_loss_scale_skips_are_healthy():
    records = [record_at(step, **(BAD_GRADIENT if step % 2 else {})) for step in range(6)]

    assert findings(RULE, records) == [None] * 6


def test_finite_numbers_of_any_size_are_healthy():
    assert not is_sick(RULE, record_at(0, norms=[1e38] * 6), record_at(1, norms=[1e38] * 6))
