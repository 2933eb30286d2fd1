"""Several replicas, on one machine and on two, together record what one device records."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers_and_models import TARGET, VECTORS
from reference import assert_is_sketch_of
from small_models import reset_keras
from twin import expected_steps
from way import Way

from vg_keras import GradientMonitor, read_run


def perceptron():
    # A functional model: its paths do not depend on how many models the process has made.
    inputs = keras.Input([4])
    hidden = keras.layers.Dense(8, "relu", kernel_regularizer="l2", name="first")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2, "tanh", name="second")(hidden))


def replicated_step(strategy, model, optimizer):
    """Returns a custom train step for two replicas."""

    def replica_step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y)) / 2
            loss += sum(model.losses) / 2
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    @tf.function
    def train_step(x, y):
        strategy.run(replica_step, args=(x, y))

    return train_step


WAY = Way("replicas", perceptron, VECTORS, TARGET)


@pytest.fixture(scope="module")
def expected():
    return expected_steps(WAY, (0, 2))


def fitted(strategy, monitor, **how):
    reset_keras()
    with strategy.scope():
        model = perceptron()
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    model.fit(VECTORS, TARGET, batch_size=8, shuffle=False, verbose=0, callbacks=[monitor], **how)
    return model


def assert_agree(record, step):
    assert set(record.gradients) == set(step.gradients)
    for path, gradient in step.gradients.items():
        assert_is_sketch_of(record.gradients[path], gradient)
        update = np.linalg.norm(step.after[path] - step.before[path])
        assert record.update_norms[path] == pytest.approx(update, rel=1e-3, abs=1e-6)
    assert set(record.activations) == {"first", "second"}
    for path in record.activations:
        assert_is_sketch_of(record.activations[path], step.outputs[path])
        assert_is_sketch_of(record.activation_gradients[path], step.output_gradients[path])
        assert record.examples[path] == 8


def records_of_each_step(strategy):
    monitor = GradientMonitor(None, "batch")
    fitted(strategy, monitor)
    return monitor.records


@pytest.fixture(scope="module")
def replicated(two_replicas):
    """The records of each step under both replicas."""
    return records_of_each_step(two_replicas)


def test_two_replicas_agree_with_one_device_on_the_same_global_batch(replicated, expected):
    assert [record.step for record in replicated] == [0, 1, 2]
    for step in (0, 2):
        assert_agree(replicated[step], expected[step])


def test_two_replicas_report_the_same_units_as_one_device(replicated):
    def shares(records):
        last = records[-1]
        return last.saturated_units, last.dead_units, last.dead_unit_examples

    alone = records_of_each_step(tf.distribute.get_strategy())

    assert shares(replicated) == shares(alone)
    assert alone[-1].dead_unit_examples == {"first": 24}


@pytest.fixture(scope="module")
def probed(two_replicas):
    """The monitor of a training run under both replicas, with a probe."""
    monitor = GradientMonitor(None, 100, probe=(VECTORS[:8], TARGET[:8]))
    fitted(two_replicas, monitor)
    return monitor


def test_the_regularizers_part_is_separated_under_two_replicas(probed, expected):
    (record,) = probed.records
    penalty = 2 * 0.01 * np.linalg.norm(expected[0].before["first/kernel"])
    assert record.regularization_gradients["first/kernel"].norm == pytest.approx(penalty, rel=1e-5)


def test_a_probe_under_two_replicas_sees_its_batch_once(probed, expected):
    (record,) = probed.probe_records
    for path, gradient in expected[0].gradients.items():
        assert_is_sketch_of(record.gradients[path], gradient)
    assert record.examples == {"first": 8, "second": 8}


def test_a_custom_loop_under_two_replicas(two_replicas, expected):
    reset_keras()
    with two_replicas.scope():
        model = perceptron()
        optimizer = keras.optimizers.SGD(0.1)

    train_step = replicated_step(two_replicas, model, optimizer)
    data = tf.data.Dataset.from_tensor_slices((VECTORS, TARGET)).batch(8)
    monitor = GradientMonitor(None, 2)
    with monitor.watch(model, optimizer) as watch:
        for x, y in two_replicas.experimental_distribute_dataset(data):
            with watch.step():
                train_step(x, y)

    assert [record.step for record in monitor.records] == [0, 2]
    for record in monitor.records:
        assert_agree(record, expected[record.step])


def test_a_loop_under_replicas_needs_a_built_model(two_replicas):
    reset_keras()
    with two_replicas.scope():
        model = keras.Sequential([keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="in the scope of the strategy"):
        GradientMonitor(None).watch(model, keras.optimizers.SGD())


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("localhost", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture(scope="module")
def log_dir_of_two_processes(tmp_path_factory):
    """Runs `worker.py` twice at the same time, and returns the directory with its logs."""
    log_dir = tmp_path_factory.mktemp("logs")
    workers = [f"localhost:{port}" for port in free_ports(2)]
    program = str(Path(__file__).with_name("worker.py"))
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    processes = []
    for index in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        environment = {
            **os.environ,
            "TF_CONFIG": json.dumps(task),
            "PYTHONPATH": os.pathsep.join([paths, os.environ.get("PYTHONPATH", "")]),
            "CUDA_VISIBLE_DEVICES": "-1",
        }
        command = [sys.executable, program, str(log_dir)]
        processes.append(
            subprocess.Popen(command, env=environment, stdout=-1, stderr=subprocess.STDOUT)
        )
    outputs = [process.communicate(timeout=240)[0].decode() for process in processes]

    assert [process.returncode for process in processes] == [0, 0], outputs
    return log_dir


def runs_of_both_workers(log_dir):
    return [read_run(log_dir), read_run(log_dir / "gradients_worker_1")]


def assert_agree_in_both(runs, expected):
    """Checks that both workers' records of the first epoch agree with one device."""
    for one, other in zip(*(run.latest.records[:2] for run in runs), strict=True):
        step = expected[one.step]
        assert set(one.gradients) == set(other.gradients) == set(step.gradients)
        for path, gradient in step.gradients.items():  # identical in both, over all examples
            assert_is_sketch_of(one.gradients[path], gradient)
            assert_is_sketch_of(other.gradients[path], gradient)
            assert one.gradients[path].norm == other.gradients[path].norm
        for path, output in step.outputs.items():
            if path in one.activations:  # each covers its own half of the batch
                assert_is_sketch_of(one.activations[path] + other.activations[path], output)
                both = one.activation_gradients[path] + other.activation_gradients[path]
                assert_is_sketch_of(both, step.output_gradients[path])


def test_a_loop_in_two_processes(log_dir_of_two_processes, expected):
    runs = runs_of_both_workers(log_dir_of_two_processes / "loop")

    assert [[record.step for record in run.latest.records] for run in runs] == [[0, 2], [0, 2]]
    assert_agree_in_both(runs, expected)


def test_a_fit_in_two_processes(log_dir_of_two_processes, expected):
    log_dir = log_dir_of_two_processes / "fit"
    runs = runs_of_both_workers(log_dir)

    assert [[record.step for record in run.latest.records] for run in runs] == [
        [0, 2, 4],
        [0, 2, 4],
    ]
    assert_agree_in_both(runs, expected)
    assert sorted(path.name for path in log_dir.iterdir()) == ["gradients", "gradients_worker_1"]
