"""Whether a loss counts as fallen."""

import math

import pytest
from scripted import record_at
from scripted_records import training_of

from vg_keras.rules.progress import Progress


def has_fallen(losses, interval=20, **how):
    """Whether these losses count as fallen; the first three are those of steps 0, 1 and 2."""
    progress = Progress(training_of(**how))
    for number, loss in enumerate(losses):
        step = number if number < 3 else interval * number
        progress.add(record_at(step, loss=loss))
    return progress.has_fallen


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([1.0] * 3 + [0.69] * 3, True),
        ([1.0] * 3 + [0.71] * 3, False),
        ([1.0, 9.0, 1.0, 0.1, 5.0, 0.1], True),
        ([0.8, 12.0, 28.0, 0.7, 0.7, 0.7], False),
        ([1.0] * 3 + [0.9, 0.9, 0.1], False),
        ([2.5, 2.3, 2.3, 2.3, 2.3, 2.3], False),
        ([-1.0] * 3 + [-9.0] * 3, False),
        ([1.0, 0.1], False),
        ([None] * 9, False),
        ([1.0] * 3 + [math.nan] * 3, False),
        ([math.nan] * 3 + [0.1] * 3, False),
        ([], False),
    ],
)
def test_the_last_records_are_compared_with_the_first(losses, expected):
    assert has_fallen(losses) is expected


def test_far_apart_records_are_compared_with_the_very_first():
    progress = Progress(training_of())
    for step, loss in ((0, 2.5), (500, 0.3), (1000, 0.2), (1500, 0.2)):
        progress.add(record_at(step, loss=loss))

    assert progress.has_fallen
