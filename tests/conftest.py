"""What every test shares: quiet TensorFlow, a fixed seed, and two virtual CPU devices."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
import tensorflow as tf

# Before TensorFlow starts its devices: a strategy over two replicas needs two of them.
_cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


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
