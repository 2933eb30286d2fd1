"""Which device is chosen, with and without a GPU that TensorFlow can use."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from experiments.common import start
from experiments.common.options import UsageError

GPU = SimpleNamespace(name="/physical_device:GPU:0")


@pytest.fixture
def calls(monkeypatch):
    """Fakes TensorFlow's devices: no GPU unless a test adds one. Records what is set."""
    made = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *a: made.append(("visible", *a)))
    experimental = tf.config.experimental
    monkeypatch.setattr(experimental, "set_memory_growth", lambda *a: made.append(("growth", *a)))
    monkeypatch.setattr(experimental, "get_device_details", lambda gpu: {"device_name": "Stand-in"})
    return made


def test_an_available_gpu_is_used_with_growing_memory(monkeypatch, calls):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [GPU])

    assert start.start_tensorflow("auto") == start.start_tensorflow("gpu") == "GPU (Stand-in)"
    assert calls == [("growth", GPU, True)] * 2


def test_without_a_gpu_the_cpu_is_used_and_reported(calls):
    assert start.start_tensorflow("auto") == "CPU (TensorFlow sees no GPU)"
    assert start.start_tensorflow("cpu") == "CPU"
    with pytest.raises(UsageError, match="TensorFlow sees none"):
        start.start_tensorflow("gpu")


def test_the_cpu_can_be_requested_despite_a_gpu(monkeypatch, calls):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [GPU])

    assert start.start_tensorflow("cpu") == "CPU"
    assert calls == [("visible", [], "GPU")]


def test_one_job_runs_on_a_gpu_and_one_per_core_otherwise():
    assert start.default_jobs("GPU (Stand-in)") == 1
    assert start.default_jobs("CPU") >= 1
