"""An observed regularizer returns its usual penalty, and is restored afterwards."""

from contextlib import ExitStack

import keras
import numpy as np
import pytest

from vg_keras.capture.regularizers import note_penalties

VALUES = np.array([1.0, -2.0, 3.0], np.float32)


def variable_with(regularizer):
    variable = keras.Variable(VALUES)
    variable.regularizer = regularizer
    return variable


def test_each_penalty_is_recorded_with_its_variable_and_returned():
    variable, noted = variable_with(keras.regularizers.L1L2(0.5, 0.25)), []
    with ExitStack() as stack:
        note_penalties(variable, lambda *what: noted.append(what), stack)
        penalties = [variable.regularizer(variable), variable.regularizer(2 * variable)]

    assert [float(p) for p in penalties] == [0.5 * 6 + 0.25 * 14, 0.5 * 12 + 0.25 * 56]
    assert all(who is variable for who, _ in noted)
    assert [p for _, p in noted] == penalties


def test_the_regularizer_keeps_its_class_and_its_attributes():
    variable = variable_with(keras.regularizers.L2(0.5))
    with ExitStack() as stack:
        note_penalties(variable, lambda *what: None, stack)
        during = variable.regularizer
        kinds = isinstance(during, keras.regularizers.L2), type(during).__name__
        rate = float(during.l2)
        during.l2 = 3.0  # for example a callback that changes the strength
        penalty = float(during(variable))

    assert kinds == (True, "L2")
    assert (rate, penalty) == (0.5, 42)
    assert variable.regularizer.l2 == 3.0


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_original_is_restored_after_an_error(error):
    regularizer = keras.regularizers.L2(0.5)
    variable, during = variable_with(regularizer), []

    def use():
        with ExitStack() as stack:
            note_penalties(variable, lambda *what: None, stack)
            during.append(variable.regularizer)
            raise error

    with pytest.raises(error):
        use()

    assert during[0] is not regularizer
    assert variable.regularizer is regularizer
    assert type(regularizer) is keras.regularizers.L2


def test_a_penalty_is_recorded_once_for_a_repeated_variable():
    regularizer = keras.regularizers.L2(0.5)
    variable, noted = variable_with(regularizer), []
    with ExitStack() as stack:
        for _ in range(2):
            note_penalties(variable, lambda *what: noted.append(what), stack)
        variable.regularizer(variable)

    assert len(noted) == 1
    assert variable.regularizer is regularizer


def test_two_variables_that_share_a_regularizer_are_distinguished():
    regularizer = keras.regularizers.L2(1.0)
    one, other = variable_with(regularizer), variable_with(regularizer)
    noted = []
    with ExitStack() as stack:
        for variable in (one, other):
            note_penalties(variable, lambda who, penalty: noted.append(who), stack)
        other.regularizer(other)
        one.regularizer(one)

    assert [who is other for who in noted] == [True, False]


def penalty_of_function(values):
    return keras.ops.sum(values)


def test_a_plain_function_is_left_unchanged():
    try:
        variable, noted = variable_with(penalty_of_function), []
    except ValueError:
        pytest.skip("this version of Keras accepts no plain function as a regularizer")
    with ExitStack() as stack:
        note_penalties(variable, lambda *what: noted.append(what), stack)
        during = variable.regularizer

    assert during is penalty_of_function
    assert noted == []
