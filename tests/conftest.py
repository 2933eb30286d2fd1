"""What every test shares: quiet TensorFlow, a fixed seed, and two virtual CPU devices."""

import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
import tensorflow as tf

# Before TensorFlow starts its devices: a strategy over two replicas needs two of them.
_cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(autouse=True)
def only_new_objects_are_searched_for_garbage():
    """Has the garbage collector pass over all that was there before the test.

    `keras.utils.clear_session` collects garbage, which takes 0.2 seconds for the 400,000 objects of
    the libraries alone, and ever longer with the graphs that TensorFlow keeps until the end: each
    that has a `tf.custom_gradient` in it.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def fixed_seed():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def two_replicas():
    """A strategy over both virtual devices.

    One for all tests: a second one in the same process would number its sums over replicas from the
    start again, and TensorFlow takes equal numbers for the same sum.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
