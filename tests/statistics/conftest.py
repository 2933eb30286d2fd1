"""What the tests of statistics share."""

import pytest


@pytest.fixture
def fixed_seed():
    """Replaces the fixture that seeds TensorFlow, because these tests draw numbers by NumPy.

    With each seed, TensorFlow drops its kernels and optimizes all functions again at their next
    call, which took half of the time of these tests.
    """
