"""How steps are numbered: by counting train steps, starting from the optimizers' iterations."""

import pytest

from vg_keras.step_count import StepCount, steps_run


@pytest.mark.parametrize(
    ("executions", "num_steps", "num_batches", "is_stopped", "moved", "expected"),
    [
        (7, 1, 7, False, [7], 7),
        (7, 1, 7, False, [1], 7),  # gradient accumulation
        (7, 1, 7, False, [], 7),
        (8, 1, None, False, [8], 7),  # the last one found no data, but Keras counts it
        (5, 1, 7, False, [5], 4),  # the data ended early
        (5, 1, 7, True, [5], 5),
        (5, 1, None, True, [5], 5),
        (0, 1, 7, False, [0], 0),
        (3, 4, 12, False, [12], 12),
        (3, 4, 10, False, [10], 10),
        (3, 4, 10, False, [2], 10),
        (3, 4, 10, False, [12], 12),  # `steps_per_epoch`: Keras runs a whole execution
        (3, 4, 10, False, [9], 10),  # a step that the loss scale skipped
        (4, 4, None, False, [10, 50], 10),
        (4, 4, None, False, [50], 12),
        (2, 4, 12, True, [6], 6),
        (4, 4, 20, False, [10], 10),  # the data ended early
    ],
)
def test_steps_of_an_epoch(executions, num_steps, num_batches, is_stopped, moved, expected):
    assert steps_run(executions, num_steps, num_batches, is_stopped, moved) == expected


def trained(count, counts, executions=3):
    count.begin(counts)
    return [count.take(1) for _ in range(executions)]


def test_the_first_number_is_the_optimizers_iterations():
    assert trained(StepCount(), {1: 0, 2: 40, 3: 7}) == [40, 41, 42]


def test_without_optimizers_the_first_number_is_zero():
    assert trained(StepCount(), {}) == [0, 1, 2]


@pytest.mark.parametrize(
    ("end", "again", "expected"),
    [
        ({1: 3}, {1: 3}, 3),
        ({1: 0}, {1: 0}, 3),  # an optimizer that is never applied
        ({1: 15}, {1: 15}, 3),  # one that is applied five times in each step
        ({1: 3}, {1: 10}, 10),  # trained without a monitor
        ({1: 15, 2: 3}, {1: 20, 2: 4}, 8),
        ({1: 3}, {1: 1}, 1),  # restored from a backup
        ({1: 3}, {2: 0}, 0),  # compiled with another optimizer
    ],
)
def test_the_next_training_run_continues_at_the_right_step(end, again, expected):
    count = StepCount()
    trained(count, dict.fromkeys(end, 0))
    count.end(end)
    are_void = count.begin(again)

    assert count.next == expected
    assert are_void == (again != {2: 0})


def test_interrupted_training_continues_from_the_optimizers_iterations():
    count = StepCount()
    trained(count, {1: 0}, executions=5)  # `end` is never called
    are_void = count.begin({1: 2})

    assert count.next == 2
    assert are_void


def test_an_epoch_that_ends_within_an_execution_is_corrected():
    count = StepCount()
    count.begin({1: 5})
    count.take(4)
    count.take(4)
    count.end_epoch(4, 6, is_stopped=False, counts={1: 11})

    assert count.next == 11
