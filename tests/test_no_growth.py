"""Memory does not grow with the length of training or the number of models."""

import gc
import tracemalloc
import weakref

import keras
import pytest
import tensorflow as tf
from small_models import compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor, training_log
from vg_keras.training_log import bytes_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

WAYS = {"graph": {}, "eager": {"run_eagerly": True}, "xla": {"jit_compile": True}}
ways = pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)


def tensors_and_graphs():
    gc.collect()
    kinds = (tf.Tensor, tf.Graph, tf.Variable, tf.Operation)
    return sum(isinstance(thing, kinds) for thing in gc.get_objects())


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=["graph", "eager"])
def test_a_recorded_step_leaves_no_tensor_or_graph_behind(how, tmp_path):
    model = compiled(mlp(), **how)
    x, y = regression_data(5)
    monitor = GradientMonitor(tmp_path, "batch", probe=(x[:8], y[:8]), charts=[])
    counts = []
    for epochs in (1, 1, 4):
        fit(model, x, y, [monitor], epochs=epochs)
        counts.append(tensors_and_graphs())

    assert len(monitor.records) == 30
    assert counts[1] - counts[0] <= 2
    assert counts[2] - counts[1] <= 2


@pytest.mark.parametrize(("units", "depth"), [(4, 0), (16, 6)])
def test_the_memory_size_of_records_is_known(units, depth):
    model = compiled(mlp(depth, units))
    monitor = GradientMonitor(None, "batch", weights=True)
    fit(model, *regression_data(5), [monitor])
    tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    fit(model, *regression_data(100), [monitor])
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert sum(map(bytes_of, monitor.records[5:])) == pytest.approx(taken, rel=0.25)


def test_records_that_exceed_the_memory_limit_are_thinned_out(monkeypatch):
    model = compiled(mlp())
    monitor = GradientMonitor(None, "batch")
    fit(model, *regression_data(1), [monitor])
    monkeypatch.setattr(training_log, "MAX_BYTES", 10 * bytes_of(monitor.records[0]))
    fit(model, *regression_data(100), [monitor])
    steps = [record.step for record in monitor.records]

    assert 4 <= len(steps) <= 14
    assert sum(map(bytes_of, monitor.records)) <= training_log.MAX_BYTES
    assert (steps[0], steps[-1]) == (0, 100)
    assert steps == sorted(set(steps))


def test_two_records_are_kept_however_large_they_are(monkeypatch):
    monkeypatch.setattr(training_log, "MAX_BYTES", 1)
    monitor = GradientMonitor(None, "batch")
    fit(compiled(mlp()), *regression_data(10), [monitor])

    assert [record.step for record in monitor.records] == [0, 9]


@ways
def test_a_model_that_was_monitored_is_freed(how):
    model = compiled(mlp(), **how)
    model.layers[0].kernel.regularizer = keras.regularizers.L2()
    fit(model, *regression_data(2), [GradientMonitor(None, "batch")])
    found = [weakref.ref(model), weakref.ref(model.layers[0]), weakref.ref(model.layers[0].kernel)]
    del model
    gc.collect()

    assert [reference() for reference in found] == [None, None, None]


def test_a_monitored_model_keeps_no_more_graphs_than_another():
    def graphs(monitors):
        for _ in range(2):
            fit(compiled(mlp(depth=0)), *regression_data(2), monitors())
        gc.collect()
        return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())

    def monitors():
        return [GradientMonitor(None)]

    start = graphs(monitors)  # with the functions that are traced once
    plain = graphs(list)
    monitored = graphs(monitors)

    assert monitored - plain <= plain - start
