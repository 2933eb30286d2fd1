"""Which steps are recorded, and in which slot: eagerly and inside a graph."""

import keras
import pytest
import tensorflow as tf

from vg_keras.capture.due_steps import EveryStep, StepOfLoop, StepsOfExecution
from vg_keras.schedule import NEVER


def kept_of(slots, steps, first, in_graph):
    """Maps each step that an execution of these steps records to its slot."""
    kept = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, -1)

    def step(number):
        def keep(slot):
            kept.insert(number, tf.cast(slot, tf.int64))

        slots.when_due(number, keep)

    run = tf.function(step, autograph=False) if in_graph else step
    slots.make_variables()
    slots.begin_execution(first)
    for number in steps:
        run(tf.constant(number, tf.int64))
    keys, values = kept.export()
    return dict(sorted(zip(keys.numpy().tolist(), values.numpy().tolist(), strict=True)))


@pytest.fixture(params=[False, True], ids=["eager", "graph"])
def in_graph(request):
    return request.param


def test_every_step_is_recorded_in_the_only_slot(in_graph):
    assert EveryStep.num_slots == 1
    assert kept_of(EveryStep(), [0, 5, 6], 0, in_graph) == {0: 0, 5: 0, 6: 0}


@pytest.mark.parametrize(
    ("every", "first", "steps", "expected"),
    [
        (1, 0, [0, 1, 2, 3], {0: 0, 1: 1, 2: 2, 3: 3}),
        (1, 5, [5, 6, 7, 8], {5: 0, 6: 1, 7: 2, 8: 3}),
        (2, 4, [4, 5, 6, 7], {4: 0, 6: 1}),
        (3, 6, [4, 5, 6, 7], {6: 0}),
        (3, 7, [7, 8, 9, 10], {7: 0, 9: 1}),
        (3, 5, [5, 6, 7, 8], {5: 0, 6: 1}),
        (4, 7, [7, 8, 9, 10], {7: 0, 8: 1}),
        (NEVER, 9, [9, 10, 11, 12], {9: 0}),
        (2, 0, [0, 1], {0: 0}),
        (2, 2**40, [2**40, 2**40 + 1, 2**40 + 2], {2**40: 0, 2**40 + 2: 1}),
    ],
)
def test_an_execution_of_four_steps_records_the_due_ones(every, first, steps, expected, in_graph):
    assert kept_of(StepsOfExecution(4, every), steps, first, in_graph) == expected


@pytest.mark.parametrize("every", range(1, 8))
@pytest.mark.parametrize("first", range(7))
def test_no_two_steps_of_an_execution_share_a_slot(every, first):
    slots = StepsOfExecution(5, every)
    kept = kept_of(slots, range(first, first + 5), first, in_graph=False)

    assert list(kept) == [s for s in range(first, first + 5) if s == first or s % every == 0]
    assert len(set(kept.values())) == len(kept)
    assert max(kept.values()) < slots.num_slots


def test_a_step_beyond_the_last_slot_is_not_recorded(in_graph):
    # A train step that increments its optimizer's counter more than once runs past the end.
    assert kept_of(StepsOfExecution(2, 1), [0, 1, 2, 3, 4], 0, in_graph) == {0: 0, 1: 1, 2: 2}


def test_the_next_execution_has_its_own_first_step():
    slots = StepsOfExecution(4, 3)
    slots.begin_execution(1)  # before any variables exist
    slots.make_variables()
    kept = []
    for first in (None, 5):
        if first:
            slots.begin_execution(first)
        for step in range(8):
            slots.when_due(tf.constant(step, tf.int64), lambda slot, step=step: kept.append(step))

    assert kept == [1, 3, 6, 5, 6]


@pytest.mark.parametrize(
    ("every", "first", "fruitless", "expected"),
    [
        (1, 0, {1, 2}, [0, 3, 4, 5]),
        (2, 0, {0, 2, 3}, [1, 4]),
        (4, 0, {0, 1, 4}, [2, 5]),
        (NEVER, 2, {2, 3}, [4]),
        (NEVER, 0, {0, 1, 2, 3, 4, 5}, []),
    ],
)
def test_a_due_step_that_applies_nothing_stays_due(every, first, fruitless, expected, in_graph):
    slots = StepsOfExecution(6, every)
    steps = [step for step in range(6) if step not in fruitless]
    kept = kept_of(slots, steps, first, in_graph)

    assert list(kept) == expected
    assert list(kept.values()) == list(range(len(expected)))


def test_all_optimizers_applied_in_a_step_use_its_slot(in_graph):
    assert kept_of(StepsOfExecution(3, 2), [0, 0, 1, 2, 2], 0, in_graph) == {0: 0, 2: 1}


def test_a_step_is_numbered_from_the_start_of_its_execution(in_graph):
    slots, numbers = StepsOfExecution(4, 1), []
    slots.make_variables()

    def step():
        slots.begin_step()
        return slots.number()

    run = tf.function(step, autograph=False) if in_graph else step
    slots.begin_execution(9, start=7)
    numbers += [int(run()) for _ in range(3)]
    slots.continue_execution()
    numbers.append(int(run()))

    assert numbers == [7, 8, 9, 10]


@pytest.mark.parametrize(
    ("steps", "every", "max_slots", "expected"),
    [
        (500, 1, 1000, 500),
        (500, 1, 60, 50),
        (500, 100, 6, 500),
        (500, 100, 5, 250),
        (12, 1, 1, 12),
        (13, 1, 5, 13),
    ],
)
def test_an_execution_that_would_record_too_much_is_split(steps, every, max_slots, expected):
    slots = StepsOfExecution(steps, every)
    slots.fit_into(max_slots)

    assert slots.num_steps == expected
    assert slots.num_slots == -(-expected // every) + 1


@pytest.mark.parametrize("counted", [0, 5])
def test_a_loop_numbers_steps_by_its_own_count_and_the_optimizers(counted, in_graph):
    counter = keras.Variable(counted, dtype="int64", trainable=False)
    slots = StepOfLoop(counter)
    slots.make_variables()
    slots.begin_execution(100)

    def step():
        number = slots.number()
        counter.assign_add(1)
        return number

    run = tf.function(step, autograph=False) if in_graph else step

    assert [int(run()) for _ in range(3)] == [100, 101, 102]
