"""VG301 on scripted records."""

import math

import pytest
from scripted import KERNELS, LAYERS, findings, is_sick, record_at, with_nan

from vg_keras.record import OptimizerDescription, Settings
from vg_keras.rules.non_finite import NonFinite

RULE = NonFinite()
BAD_GRADIENT = {"gradients": with_nan(KERNELS, KERNELS[1])}
BAD_OUTPUT = {"activations": with_nan(LAYERS, LAYERS[3], math.inf)}
BAD_WEIGHT = {"weight_norms": dict.fromkeys(KERNELS, 1.0) | {KERNELS[4]: math.nan}}
BAD_LOSS = {"loss": math.nan}
BAD_DATA = {"nonfinite_data": 7}
SCALED = Settings((OptimizerDescription("LossScaleOptimizer", 0.001),))
SKIPPED = BAD_GRADIENT | {"update_norms": dict.fromkeys(KERNELS, 0.0)}


def test_it_is_found_at_the_first_record():
    found = findings(RULE, [record_at(0), record_at(5, **BAD_GRADIENT)])

    assert found[0] is None
    assert found[1].message == (
        "1 of 2 values of the gradient of net/hidden_2/kernel are NaN or infinite: the first "
        "recorded place in the order of computation."
    )


@pytest.mark.parametrize(
    ("quantities", "place"),
    [
        (BAD_GRADIENT, KERNELS[1]),
        (BAD_LOSS | BAD_GRADIENT, "data and loss"),
        (BAD_OUTPUT | BAD_LOSS | BAD_GRADIENT, LAYERS[3]),
        (BAD_WEIGHT | BAD_OUTPUT | BAD_LOSS | BAD_GRADIENT, KERNELS[4]),
        (BAD_DATA | BAD_WEIGHT | BAD_OUTPUT | BAD_LOSS | BAD_GRADIENT, "data and loss"),
        ({"weights": with_nan(KERNELS, KERNELS[3]), **BAD_OUTPUT}, KERNELS[3]),
        (
            {
                "activation_gradients": with_nan(LAYERS, LAYERS[4])
                | with_nan(LAYERS[:1], LAYERS[0]),
                **BAD_GRADIENT,
            },
            LAYERS[4],  # the backward pass begins at the last layer
        ),
    ],
    ids=["gradient", "loss", "output", "weight norm", "data", "weights", "backward"],
)
def test_the_first_place_in_the_order_of_computation_is_named(quantities, place):
    (finding,) = findings(RULE, [record_at(0, **quantities)])

    assert finding.paths == (place,)


@pytest.mark.parametrize(
    ("quantities", "message"),
    [
        (BAD_DATA, "7 values of the data are NaN or infinite."),
        (BAD_LOSS, "the loss is NaN or infinite, while the output of every layer is finite."),
        (
            BAD_WEIGHT,
            (
                "the weights of net/hidden_5/kernel are NaN or infinite before the step: an "
                "earlier update made them so. Step 3 was still finite."
            ),
        ),
    ],
)
def test_the_message_says_where_it_was_born(quantities, message):
    found = findings(RULE, [record_at(3), record_at(5, **quantities)])

    assert found[1].message == message


@pytest.mark.parametrize(("num", "is_known"), [(None, False), (0, True)])
def test_the_first_layer_points_to_the_data_unless_that_is_known_to_be_finite(num, is_known):
    outputs = {"activations": with_nan(LAYERS, LAYERS[0]), "nonfinite_data": num}
    (finding,) = findings(RULE, [record_at(0, **outputs)])

    assert finding.message.endswith("so check the data.") is not is_known


def test_advice_depends_on_the_place():
    places = [BAD_DATA, BAD_LOSS, BAD_OUTPUT, BAD_GRADIENT]
    advice = [findings(RULE, [record_at(0, **place)])[0].advice for place in places]

    assert len(set(advice)) == 4
    assert advice[-1] == ()


@pytest.mark.parametrize(("last", "sick"), [(49, False), (50, True)])
def test_gradients_that_a_loss_scale_lets_overflow_are_given_fifty_steps(last, sick):
    steps = [0, 1, 2, 5, 10, 20, last]
    records = [record_at(step, **BAD_GRADIENT) for step in steps]
    finding = findings(RULE, records, settings=SCALED)[-1]

    assert (finding is not None) is sick
    assert not sick or finding.since == 0


@pytest.mark.parametrize("place", [BAD_LOSS, BAD_DATA, BAD_WEIGHT])
def test_a_loss_scale_does_not_excuse_the_loss_the_data_or_the_weights(place):
    (finding,) = findings(RULE, [record_at(0, **place)], settings=SCALED)

    assert finding is not None


def test_steps_that_are_skipped_without_a_loss_scale_are_healthy():
    records = [record_at(step, **(SKIPPED if step % 2 else {})) for step in range(200)]

    assert findings(RULE, records) == [None] * 200


def test_finite_numbers_of_any_size_are_healthy():
    assert not is_sick(RULE, record_at(0, norms=[1e38] * 6), record_at(1, norms=[1e38] * 6))


@pytest.mark.parametrize(
    ("ratio", "loss", "advice"),
    [
        (0.9, 1e4, "Check the data for NaN and infinity"),
        (1.1, 999.0, "Lower the learning rate"),
        (1.1, 1001.0, "Scale inputs and targets"),
    ],
)
def test_the_first_advice_depends_on_whether_training_diverged(ratio, loss, advice):
    first = record_at(0, updates=[ratio] + [1e-3] * 5, loss=loss)
    _, finding = findings(RULE, [first, record_at(5, **BAD_WEIGHT)])

    assert (finding.advice or RULE.advice)[0].startswith(advice)


def test_bad_data_are_blamed_even_if_training_diverged():
    _, finding = findings(RULE, [record_at(0, updates=[2.0] * 6), record_at(5, **BAD_DATA)])

    assert finding.advice[0].startswith("Look for NaN and infinity in the arrays")
