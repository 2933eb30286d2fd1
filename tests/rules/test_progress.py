"""Whether a loss counts as fallen."""

import math

import pytest
from scripted import record_at

from vg_keras.rules.progress import Progress


def has_fallen(losses):
    progress = Progress()
    for step, loss in enumerate(losses):
        progress.add(record_at(step, loss=loss))
    return progress.has_fallen


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([1.0] * 3 + [0.69] * 3, True),
        ([1.0] * 3 + [0.71] * 3, False),
        ([1.0, 9.0, 1.0, 0.1, 5.0, 0.1], True),
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
def test_medians_of_three_records_are_compared(losses, expected):
    assert has_fallen(losses) is expected
