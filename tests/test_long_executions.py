"""An execution of very many steps is recorded in parts, so that memory stays bounded."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference import weights_of
from small_models import compiled, fit, mlp, regression_data, reset_keras

from vg_keras import GradientMonitor, Probe
from vg_keras.capture import observer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

WAYS = {"graph": {}, "eager": {"run_eagerly": True}, "xla": {"jit_compile": True}}


@pytest.fixture
def parts(monkeypatch):
    """Returns the number of steps recorded in each part, with a buffer that has room for few."""
    monkeypatch.setattr(observer, "MAX_BUFFER_BYTES", 1 << 20)
    kept = []
    read = observer.Observer.read

    def counted(self):
        found = read(self)
        kept.append(len(found))
        return found

    monkeypatch.setattr(observer.Observer, "read", counted)
    return kept


def trained(num_batches, monitors, steps_per_execution=12, **how):
    model = compiled(mlp(), steps_per_execution=steps_per_execution, **how)
    history = fit(model, *regression_data(num_batches), monitors, epochs=2)
    return weights_of(model), history.history["loss"], int(model.optimizer.iterations)


# Two parts of 6 steps to an execution. The data ends with an execution, in its second part, between
# its parts, and in its first part.
@pytest.mark.grappler
@pytest.mark.parametrize(
    ("num_batches", "how"),
    [
        *((num_batches, WAYS["graph"]) for num_batches in (24, 22, 18, 15)),
        (22, WAYS["eager"]),
        (18, WAYS["xla"]),
    ],
)
def test_every_step_is_recorded_and_weights_are_unchanged(parts, num_batches, how):
    monitor = GradientMonitor(None, "batch")
    ours = trained(num_batches, [monitor], **how)
    plain = trained(num_batches, [], **how)

    assert [record.step for record in monitor.records] == list(range(2 * num_batches))
    assert max(parts) <= 6
    assert sum(parts) == 2 * num_batches
    assert ours[2] == plain[2]
    assert ours[1] == pytest.approx(plain[1], rel=1e-6)
    assert ours[0] == plain[0]


def test_the_schedule_continues_from_part_to_part(parts, monkeypatch):
    monkeypatch.setattr(observer, "MAX_BUFFER_BYTES", 1 << 19)
    monitor = GradientMonitor(None, 2)
    trained(24, [monitor])

    assert [record.step for record in monitor.records] == list(range(0, 48, 2))
    assert len(parts) > 4


def test_few_due_steps_are_not_split(parts):
    monitor = GradientMonitor(None, 10)
    trained(24, [monitor])

    assert [record.step for record in monitor.records] == [0, 10, 20, 30, 40]
    assert len(parts) == 4


def test_a_prime_number_of_steps_is_run_at_once(parts):
    monitor = GradientMonitor(None, "batch")
    trained(22, [monitor], steps_per_execution=11)

    assert [record.step for record in monitor.records] == list(range(44))
    assert parts == [11, 11, 11, 11]


def test_the_models_steps_per_execution_is_unchanged(parts):
    reset_keras()
    model = compiled(mlp(), steps_per_execution=12)
    seen = []
    probe = Probe(
        *regression_data(1),
        loss=lambda m, x, y: (
            seen.append(m.steps_per_execution),
            tf.reduce_mean(keras.ops.square(m(x) - y)),
        )[1],
    )
    fit(model, *regression_data(24), [GradientMonitor(None, "batch", probe=probe)])

    assert model.steps_per_execution == 12
    assert set(seen) == {12}


def test_records_do_not_depend_on_the_parts(parts, monkeypatch):
    def norms():
        monitor = GradientMonitor(None, "batch")
        trained(24, [monitor])
        return [[s.norm for s in r.gradients.values()] for r in monitor.records]

    in_parts = norms()
    monkeypatch.setattr(observer, "MAX_BUFFER_BYTES", 1 << 25)

    np.testing.assert_array_equal(in_parts, norms())
