"""Which steps are due: the schedule by itself, without training."""

import numpy as np
import pytest

from vg_keras.schedule import NEVER, Schedule


def due_steps(schedule, first, epochs, num_steps=1):
    """Runs epochs of the given numbers of steps, and returns the due step of each execution."""
    schedule.begin(first)
    due, step = [], first
    for length in epochs:
        schedule.begin_epoch(step)
        for start in range(step, step + length, num_steps):
            due.append(schedule.due(start, num_steps))
        step += length
    return due


@pytest.mark.parametrize(
    ("update_freq", "expected"),
    [
        ("batch", [0, 1, 2, 3, 4, 5]),
        (1, [0, 1, 2, 3, 4, 5]),
        (2, [0, None, 2, None, 4, None]),
        (4, [0, None, None, None, 4, None]),
        (9, [0, None, None, None, None, None]),
        ("epoch", [0, None, None, 3, None, None]),
    ],
)
def test_the_due_steps_of_two_epochs(update_freq, expected):
    assert due_steps(Schedule(update_freq), 0, [3, 3]) == expected


@pytest.mark.parametrize(
    ("update_freq", "expected"),
    [
        ("batch", [7, 8, 9, 10, 11]),
        (5, [7, None, None, 10, None]),
        ("epoch", [7, None, 9, None, None]),
    ],
)
def test_the_first_step_is_always_due(update_freq, expected):
    assert due_steps(Schedule(update_freq), 7, [2, 3]) == expected


@pytest.mark.parametrize(
    ("update_freq", "expected"),
    [
        ("batch", [0, 4, 8, 10, 14]),
        (3, [0, 6, 9, 12, 15]),
        (5, [0, 5, 10, 10, 15]),
        (8, [0, None, 8, None, 16]),
        ("epoch", [0, None, None, 10, None]),
    ],
)
def test_an_execution_of_several_steps_gets_its_first_due_step(update_freq, expected):
    # Executions begin at 0, 4, 8 (the last one of the epoch, with two steps of four), 10, 14.
    # Step 10 is expected in the third, which does not reach it, and so again in the fourth.
    assert due_steps(Schedule(update_freq), 0, [10, 8], num_steps=4) == expected


def test_a_due_step_that_was_not_reached_is_due_in_the_next_epoch():
    schedule = Schedule(7)
    schedule.begin(0)
    schedule.begin_epoch(0)
    assert [schedule.due(0, 4), schedule.due(4, 4)] == [0, 7]
    schedule.begin_epoch(7)  # the second execution ran three steps of four

    assert schedule.due(7, 4) == 7


def test_nothing_is_due_before_it_begins():
    assert Schedule(3).due(0, 1) is None


@pytest.mark.parametrize(
    ("update_freq", "every"), [("batch", 1), (1, 1), (7, 7), ("epoch", NEVER), (np.int64(3), 3)]
)
def test_the_distance_between_due_steps(update_freq, every):
    assert Schedule(update_freq).every == every


@pytest.mark.parametrize("update_freq", [0, -3, "Epoch", "batches"])
def test_an_invalid_value_raises_a_value_error(update_freq):
    with pytest.raises(ValueError, match="update_freq=") as caught:
        Schedule(update_freq)

    assert f"Received: update_freq={update_freq!r}. " in str(caught.value)


@pytest.mark.parametrize("update_freq", [1.5, None, (), b"batch"])
def test_an_invalid_type_raises_a_type_error(update_freq):
    with pytest.raises(TypeError, match="update_freq=") as caught:
        Schedule(update_freq)

    assert str(caught.value) == (
        "`update_freq` must be 'auto', 'epoch', 'batch' or a positive integer. "
        f"Received: update_freq={update_freq!r}. Use update_freq='auto'."
    )
