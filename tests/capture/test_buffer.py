"""The buffer returns what was stored, per slot and per replica, until it is emptied."""

import math

import numpy as np
import pytest
import tensorflow as tf

from vg_keras.capture.buffer import NUM_EXTRAS, Buffer
from vg_keras.statistics.active_units import MAX_UNITS
from vg_keras.statistics.tensor_sketch import sketch_all

A, B = [1.0, 2.0, -2.0], [[0.0, 0.0], [3.0, 4.0]]  # norms 3 and 5


def store(buffer, step, tensors, rows=None, slot=0, extras=None):
    sketches = sketch_all([tf.constant(values, tf.float32) for values in tensors])
    extras = np.zeros([len(tensors), NUM_EXTRAS]) if extras is None else extras
    rows = range(len(tensors)) if rows is None else rows
    buffer.store(slot, tf.constant(step, tf.int64), rows, sketches, tf.constant(extras, tf.float64))


def norms_of(rows, which):
    return [sketch.norm for sketch in rows.sketches(which)]


def test_stored_values_are_read_back():
    buffer = Buffer(2, 0, 1)
    store(buffer, 7, [A, B])
    ((rows,),) = buffer.read()
    first, second = rows.sketches([0, 1])

    assert rows.step == 7
    assert rows.filled.tolist() == [True, True]
    assert (first.count, first.norm, first.min) == (3, 3, -2)
    assert (second.count, second.norm, second.zeros) == (4, 5, 2)


def test_an_unused_buffer_reads_as_empty():
    assert list(Buffer(2, 1, 1).read()) == []


def test_an_emptied_buffer_holds_nothing():
    buffer = Buffer(2, 0, 2)
    store(buffer, 0, [A, B], slot=1)
    buffer.empty()

    assert list(buffer.read()) == []


@pytest.mark.parametrize("num_slots", [1, 2])
def test_emptying_the_buffer_removes_all_earlier_values(num_slots):
    buffer = Buffer(2, 0, num_slots)
    store(buffer, 0, [A, B])
    buffer.empty()
    store(buffer, 1, [[7.0]], rows=[1])
    ((rows,),) = buffer.read()

    assert rows.filled.tolist() == [False, True]
    assert norms_of(rows, [1]) == [7]
    assert rows.step == 1


@pytest.mark.parametrize("num_slots", [1, 3])
def test_rows_can_be_stored_in_any_order(num_slots):
    buffer = Buffer(3, 0, num_slots)
    extras = np.arange(3 * NUM_EXTRAS).reshape([3, NUM_EXTRAS])
    store(buffer, 0, [A, B, [9.0]], rows=[2, 0, 1], extras=extras)
    ((rows,),) = buffer.read()

    assert norms_of(rows, [0, 1, 2]) == [5, 9, 3]
    assert [rows.extras(row) for row in range(3)] == extras[[1, 2, 0]].tolist()


def test_a_number_that_is_not_known_is_none_even_beside_nan():
    buffer = Buffer(1, 0, 1)
    extras = tf.fill([1, NUM_EXTRAS], tf.constant(math.nan, tf.float64))
    known = [[True, False] + [False] * (NUM_EXTRAS - 2)]
    buffer.store(0, tf.constant(0, tf.int64), [0], sketch_all([tf.ones([2])]), extras, known)
    ((rows,),) = buffer.read()

    assert math.isnan(rows.extras(0)[0])
    assert rows.extras(0)[1:] == [None] * (NUM_EXTRAS - 1)


def test_rows_can_be_stored_in_parts():
    buffer = Buffer(2, 0, 1)
    store(buffer, 0, [B], rows=[1])
    store(buffer, 0, [A], rows=[0])
    ((rows,),) = buffer.read()

    assert norms_of(rows, [0, 1]) == [3, 5]


def test_sketches_are_read_in_the_requested_order():
    buffer = Buffer(3, 0, 1)
    store(buffer, 0, [A, B, np.zeros(0)])
    ((rows,),) = buffer.read()

    assert norms_of(rows, [1, 0]) == [5, 3]
    assert [sketch.count for sketch in rows.sketches([2, 1, 2])] == [0, 4, 0]


def test_each_slot_holds_one_step():
    buffer = Buffer(1, 0, 3)
    store(buffer, 8, [B], slot=2)
    store(buffer, 4, [A], slot=tf.constant(0, tf.int64))
    steps = [(rows.step, norms_of(rows, [0])) for (rows,) in buffer.read()]

    assert steps == [(4, [3]), (8, [5])]


def test_the_step_number_may_exceed_an_int32():
    buffer = Buffer(2, 0, 1)
    store(buffer, 2**40 + 1, [A], rows=[1])
    ((rows,),) = buffer.read()

    assert rows.step == 2**40 + 1


def test_active_units_are_stored_per_slot_and_layer():
    buffer = Buffer(1, 3, 2)
    active = np.zeros([2, MAX_UNITS], np.bool_)
    active[0, 5] = active[1, MAX_UNITS - 1] = True
    for slot in (0, 1):
        store(buffer, slot, [A], slot=slot)
    buffer.store_active(1, [2, 0], tf.constant(active))
    (first,), (second,) = buffer.read()

    assert not first.active.any()
    assert np.argwhere(second.active).tolist() == [[0, MAX_UNITS - 1], [2, 5]]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_values_are_stored_in_a_graph_and_under_xla_too(jit_compile):
    buffer = Buffer(2, 1, 2)

    @tf.function(jit_compile=jit_compile)
    def step(slot, number):
        sketches = sketch_all([tf.constant(A), tf.constant([5.0]) * tf.cast(number, tf.float32)])
        buffer.store(slot, number, [1, 0], sketches, tf.zeros([2, NUM_EXTRAS], tf.float64))
        buffer.store_active(slot, [0], tf.ones([1, MAX_UNITS], tf.bool))

    step(tf.constant(1), tf.constant(3, tf.int64))
    ((rows,),) = buffer.read()

    assert (rows.step, norms_of(rows, [0, 1])) == (3, [15, 3])
    assert rows.active.all()


def test_each_replica_keeps_its_own_values(two_replicas):
    with two_replicas.scope():
        buffer = Buffer(1, 1, 1)

    def replica():
        number = tf.distribute.get_replica_context().replica_id_in_sync_group + 1
        sketches = sketch_all([tf.cast(number, tf.float32) * tf.constant(A)])
        buffer.store(
            0, tf.constant(2, tf.int64), [0], sketches, tf.zeros([1, NUM_EXTRAS], tf.float64)
        )
        active = tf.equal(tf.range(MAX_UNITS), tf.cast(number, tf.int32))
        buffer.store_active(0, [0], active[tf.newaxis])

    tf.function(two_replicas.run)(replica)
    ((first, second),) = buffer.read()

    assert norms_of(first, [0]) + norms_of(second, [0]) == [3, 6]
    assert [np.flatnonzero(rows.active).tolist() for rows in (first, second)] == [[1], [2]]
