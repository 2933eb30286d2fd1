"""One of the two processes of a custom loop under MultiWorkerMirroredStrategy.

Usage: worker.py LOG_DIR, with the cluster in TF_CONFIG.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

# Before anything else of TensorFlow: it starts the servers of the cluster.
strategy = tf.distribute.MultiWorkerMirroredStrategy()

import keras  # noqa: E402
from layers_and_models import TARGET, VECTORS  # noqa: E402
from test_strategies import perceptron, replicated_step  # noqa: E402

from vg_keras import GradientMonitor  # noqa: E402


def main(log_dir):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = perceptron()
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(model.trainable_variables)

    train_step = replicated_step(strategy, model, optimizer)
    data = tf.data.Dataset.from_tensor_slices((VECTORS, TARGET)).batch(8)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    monitor = GradientMonitor(log_dir, 2)
    with monitor.watch(model, optimizer) as watch:
        for x, y in strategy.experimental_distribute_dataset(data.with_options(options)):
            with watch.step():
                train_step(x, y)


if __name__ == "__main__":
    main(sys.argv[1])
