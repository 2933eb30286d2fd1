"""Optimizer moments of each variable, compared with the optimizer's own slots after the update."""

import keras
import numpy as np
import pytest
from small_models import compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor
from vg_keras.capture.optimizers import moments_of

pytestmark = pytest.mark.slow

MOMENTUM = lambda: keras.optimizers.SGD(0.1, momentum=0.9)  # noqa: E731
SCALED = lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())  # noqa: E731


def kept_by(optimizer, variable, suffix):
    """Returns Keras's slot of a variable from the optimizer's list of all slots."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    attributes = {"momentum": ("_momentums", "momentums"), "velocity": ("_velocities",)}[suffix]
    slots = next(getattr(optimizer, name) for name in attributes if hasattr(optimizer, name))
    return slots[optimizer._get_variable_index(variable)].numpy()


@pytest.mark.parametrize(
    ("optimizer", "kinds"),
    [
        ("adam", {"first_moments": "momentum", "second_moments": "velocity"}),
        ("nadam", {"first_moments": "momentum", "second_moments": "velocity"}),
        ("rmsprop", {"second_moments": "velocity"}),
        ("lion", {"first_moments": "momentum"}),
        (MOMENTUM, {"first_moments": "momentum"}),
        (SCALED, {"first_moments": "momentum", "second_moments": "velocity"}),
        ("sgd", {}),
    ],
)
def test_moments_are_read_after_the_update(optimizer, kinds):
    model = compiled(mlp(), optimizer() if callable(optimizer) else optimizer)
    monitor = GradientMonitor(None, "batch", optimizer_state=True)
    fit(model, *regression_data(3), [monitor])
    record = monitor.records[-1]

    for kind in ("first_moments", "second_moments"):
        assert set(getattr(record, kind)) == (set(record.gradients) if kind in kinds else set())
    for kind, suffix in kinds.items():
        for variable in model.trainable_variables:
            expected = kept_by(model.optimizer, variable, suffix)
            sketch = getattr(record, kind)[variable.path]
            assert sketch.norm == pytest.approx(np.linalg.norm(expected), rel=1e-6)
            assert sketch.max == expected.max()


def test_moments_are_recorded_on_request_only():
    monitor = GradientMonitor(None, "batch")
    fit(compiled(mlp(), "adam"), *regression_data(1), [monitor])

    assert not monitor.records[0].first_moments


def test_variables_with_equal_paths_have_separate_slots():
    variables = []
    for size in (3, 5):
        layer = keras.layers.Dense(size, name="same")
        layer.build([None, 4])
        variables += layer.trainable_variables
    optimizer = keras.optimizers.Adam()
    optimizer.build(variables)
    momentums, _ = moments_of(optimizer, variables)

    assert len({variable.path for variable in variables}) == 2
    assert [momentums[id(variable)].shape for variable in variables] == [v.shape for v in variables]
