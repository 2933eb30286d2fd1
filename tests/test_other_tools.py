"""What other tools read from a log, and the errors for users of Keras 2."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from small_models import compiled, fit, mlp, regression_data

import vg_keras
from vg_keras import GradientMonitor, read_run

SYNCED_BY_WANDB = """
import sys
import wandb
from small_models import compiled, fit, mlp, regression_data
from vg_keras import GradientMonitor

run = wandb.init(project="test", sync_tensorboard=True, dir=sys.argv[1])
monitor = GradientMonitor(sys.argv[1] + "/logs", 2)
fit(compiled(mlp()), *regression_data(6), [monitor])
run.finish()
"""


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="needs wandb")
def test_wandb_syncs_scalars_and_histograms(tmp_path):
    paths = [*sys.path, str(Path(vg_keras.__file__).parents[1]), str(Path(__file__).parent)]
    settings = {"PYTHONPATH": os.pathsep.join(paths), "WANDB_MODE": "offline", "WANDB_SILENT": "1"}
    subprocess.run(
        [sys.executable, "-c", SYNCED_BY_WANDB, str(tmp_path)],
        env={**os.environ, **settings},
        capture_output=True,
        timeout=240,
        check=True,
    )
    (synced,) = tmp_path.rglob("*.wandb")
    contents = synced.read_bytes()

    for tag in ("gradient_norm", "gradients", "activations", "update_ratio"):
        name = "dense" if tag == "activations" else "dense/kernel"
        assert contents.count(f"{tag}/sequential/{name}".encode()) >= 3
    assert [record.step for record in read_run(tmp_path / "logs").latest.records] == [0, 2, 4]


def test_an_imported_wandb_is_told_the_run_directory(tmp_path, monkeypatch):
    from tensorboard.summary.writer import event_file_writer

    told = []

    class Writer:
        def __init__(self, directory):
            told.append(directory)

        def close(self):
            told.append("closed")

    monkeypatch.setattr(event_file_writer, "EventFileWriter", Writer)
    x, y = regression_data(3)
    fit(compiled(mlp()), x, y, [GradientMonitor(tmp_path / "without", 1)])
    without = list(told)
    monkeypatch.setitem(sys.modules, "wandb", object())
    fit(compiled(mlp()), x, y, [GradientMonitor(tmp_path, 1)])

    assert without == []
    assert told == [str(tmp_path / "gradients"), "closed"]


def legacy_model():
    """Looks like a model of Keras 2 without importing it."""
    return type("Sequential", (), {"__module__": "tf_keras.src.engine.sequential"})()


ADVICE = (
    "GradientMonitor needs a `keras.Model` of Keras 3. Received: "
    "tf_keras.src.engine.sequential.Sequential. This is a Keras 2 model. Build it with the package "
    "`keras`, version 3; if you use `tf.keras`, do not set the environment variable "
    "TF_USE_LEGACY_KERAS."
)


@pytest.mark.parametrize(
    "use",
    [
        lambda model: GradientMonitor(None).set_model(model),
        lambda model: GradientMonitor(None).watch(model, keras.optimizers.SGD()),
    ],
    ids=["fit", "watch"],
)
def test_a_model_of_keras_2_raises_a_clear_error(use):
    with pytest.raises(TypeError) as caught:
        use(legacy_model())

    assert str(caught.value) == ADVICE


def test_a_model_of_tf_keras_raises_a_clear_error():
    tf_keras = pytest.importorskip("tf_keras")
    model = tf_keras.Sequential([tf_keras.layers.Dense(1, input_shape=(4,))])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="This is a Keras 2 model"):
        model.fit(np.ones([8, 4]), np.ones(8), verbose=0, callbacks=[GradientMonitor(None)])


def test_any_other_object_raises_too():
    with pytest.raises(TypeError) as caught:
        GradientMonitor(None).watch("a model")

    assert str(caught.value) == (
        "GradientMonitor needs a `keras.Model` of Keras 3. Received: builtins.str. "
        "Build it with the package `keras`."
    )
