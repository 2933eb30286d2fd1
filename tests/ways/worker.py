"""One of the two processes of a training run under MultiWorkerMirroredStrategy.

Trains in a custom loop and then by `fit`, each with a log directory of its own.

Usage: worker.py LOG_DIR, with the cluster in TF_CONFIG.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

# Before anything else in TensorFlow, because it starts the cluster's servers.
strategy = tf.distribute.MultiWorkerMirroredStrategy()

import keras  # noqa: E402
from layers_and_models import TARGET, VECTORS  # noqa: E402
from test_strategies import perceptron, replicated_step  # noqa: E402

from vg_keras import GradientMonitor  # noqa: E402


def batches():
    data = tf.data.Dataset.from_tensor_slices((VECTORS, TARGET)).batch(8)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return data.with_options(options)


def loop(monitor):
    with strategy.scope():
        model = perceptron()
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(model.trainable_variables)
    train_step = replicated_step(strategy, model, optimizer)
    with monitor.watch(model, optimizer) as watch:
        for x, y in strategy.experimental_distribute_dataset(batches()):
            with watch.step():
                train_step(x, y)


def fit(monitor):
    documentation = Path(__file__).parents[2].joinpath("docs/ways_to_train.md").read_text()
    recipe: dict = {}
    code = documentation.split("```python\n")[1].split("```")[0]
    exec(code, recipe)  # noqa: S102 - the code in the documentation
    with strategy.scope():
        plain = perceptron()
        model = recipe["MultiWorkerModel"](plain.inputs, plain.outputs)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    history = model.fit(batches(), verbose=0, epochs=2, callbacks=[monitor])
    assert len(history.history["loss"]) == 2


if __name__ == "__main__":
    for train in (loop, fit):
        keras.utils.set_random_seed(0)
        train(GradientMonitor(Path(sys.argv[1], train.__name__), 2))
