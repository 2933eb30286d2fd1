"""Which device is chosen, with and without a GPU that TensorFlow can use."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from experiments.common import device
from experiments.common.errors import UsageError

GPU = SimpleNamespace(name="/physical_device:GPU:0")


@pytest.fixture
def calls(monkeypatch):
    """Fakes TensorFlow's list of devices and records what is set."""
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


def test_an_available_gpu_is_used_with_growing_memory(monkeypatch, calls):
    with_gpus(monkeypatch, GPU)

    assert device.choose("auto") == device.choose("gpu") == "GPU (Stand-in)"
    assert calls == [("growth", GPU, True)] * 2


def test_without_a_gpu_the_cpu_is_used_and_reported(monkeypatch, calls):
    with_gpus(monkeypatch)

    assert device.choose("auto") == "CPU (TensorFlow sees no GPU)"
    assert device.choose("cpu") == "CPU"
    with pytest.raises(UsageError, match="TensorFlow sees none"):
        device.choose("gpu")


def test_the_cpu_can_be_requested_despite_a_gpu(monkeypatch, calls):
    with_gpus(monkeypatch, GPU)

    assert device.choose("cpu") == "CPU"
    assert calls == [("visible", [], "GPU")]


def test_one_job_runs_on_a_gpu_and_one_per_core_otherwise():
    assert device.default_jobs("GPU (Stand-in)") == 1
    assert device.default_jobs("CPU") >= 1
