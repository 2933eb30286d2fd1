"""Random numbers can be drawn again without affecting later draws."""

import random

import numpy as np
import pytest

from vg_keras.capture.python_random import drawing_again, random_state


def drawn(number=3):
    """Draws from both generators; `random.gauss` generates pairs and keeps the second number."""
    return [
        (random.random(), random.gauss(0, 1), np.random.normal(), int(np.random.randint(1000)))
        for _ in range(number)
    ]


@pytest.fixture(params=[0, 7])
def since(request):
    """Returns a state from which the expected numbers can be drawn repeatedly."""
    random.seed(request.param)
    np.random.seed(request.param)
    random.gauss(0, 1)
    return random_state()


def test_the_same_numbers_are_drawn_again(since):
    first = drawn()
    with drawing_again(since):
        again = drawn()

    assert again == first


def test_drawing_again_does_not_change_later_draws(since):
    expected = drawn(6)[3:]
    random.setstate(since[0])
    np.random.set_state(since[1])
    drawn(3)
    with drawing_again(since):
        drawn(50)

    assert drawn(3) == expected


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_state_is_restored_after_an_error(since, error):
    drawn(2)
    before = random_state()

    def use():
        with drawing_again(since):
            drawn(5)
            raise error

    with pytest.raises(error):
        use()
    after = random_state()

    assert after[0] == before[0]
    assert all(np.array_equal(a, b) for a, b in zip(after[1], before[1], strict=True))


def test_one_state_can_be_used_repeatedly(since):
    found = []
    for _ in range(3):
        with drawing_again(since):
            found.append(drawn())

    assert found[0] == found[1] == found[2]


def test_a_seed_set_inside_is_discarded(since):
    expected = drawn(4)[2:]
    random.setstate(since[0])
    np.random.set_state(since[1])
    drawn(2)
    with drawing_again(since):
        random.seed(1)
        np.random.seed(1)

    assert drawn(2) == expected
