"""Which device is taken, where TensorFlow sees a GPU and where it does not."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from experiments.common import device
from experiments.common.errors import UsageError

GPU = SimpleNamespace(name="/physical_device:GPU:0")


@pytest.fixture
def calls(monkeypatch):
    """Stands in for TensorFlow's list of devices and notes what is set."""
    made = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *a: made.append(("visible", *a)))
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda *a: made.append(("growth", *a))
    )
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda gpu: {"device_name": "Stand-in"}
    )
    return made


def with_gpus(monkeypatch, *gpus):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(gpus))


def test_a_gpu_is_taken_where_there_is_one_and_shares_its_memory(monkeypatch, calls):
    with_gpus(monkeypatch, GPU)

    assert device.choose("auto") == device.choose("gpu") == "GPU (Stand-in)"
    assert calls == [("growth", GPU, True)] * 2


def test_without_a_gpu_the_cpu_is_taken_and_said_so(monkeypatch, calls):
    with_gpus(monkeypatch)

    assert device.choose("auto") == "CPU (TensorFlow sees no GPU)"
    assert device.choose("cpu") == "CPU"
    with pytest.raises(UsageError, match="TensorFlow sees none"):
        device.choose("gpu")


def test_the_cpu_can_be_asked_for_beside_a_gpu(monkeypatch, calls):
    with_gpus(monkeypatch, GPU)

    assert device.choose("cpu") == "CPU"
    assert calls == [("visible", [], "GPU")]


def test_one_training_at_a_time_on_a_gpu_and_one_for_each_core_else():
    assert device.default_jobs("GPU (Stand-in)") == 1
    assert device.default_jobs("CPU") >= 1
