"""The benchmark of real models in a small form: what it measures, not the values."""

import json

import pytest

from experiments import real_models
from experiments.common import command_line, measured_training, real_networks
from experiments.common.measured_training import Training, measure_in_process


def test_it_compares_every_variant_with_plain_fit(tmp_path, capsys):
    arguments = [f"--output={tmp_path}", f"--log-dir={tmp_path}", "--optimizers", "sgd"]
    status = command_line.main("real_models", [*real_models.SMALL, *arguments])
    results = json.loads((tmp_path / "results.json").read_text())["numbers"]
    (row,) = results["networks"]

    assert status == 0
    assert (row["network"], row["optimizer"], row["jit_compile"]) == ("mlp_2", "sgd", False)
    assert list(row["measured"]) == ["plain", "monitored", "every step"]
    assert row["measured"]["plain"]["bytes_per_record"] == 0
    assert row["measured"]["every step"]["bytes_per_record"] > 1000
    assert all(ratio > 0 for ratio in row["ratios"].values())
    assert row["ratios"]["operations"] > 1
    assert "The first two steps take at most" in capsys.readouterr().out


def test_a_training_run_that_takes_too_long_is_given_up():
    training = Training("mlp_2", "sgd", False, 8, 2, None)

    assert measure_in_process(training, 0.1) is None


def test_a_training_run_that_fails_reports_why():
    with pytest.raises(RuntimeError, match="no_optimizer"):
        measure_in_process(Training("mlp_2", "no_optimizer", False, 8, 2, None), None)


def test_nothing_is_compared_if_plain_fit_takes_too_long(monkeypatch):
    monkeypatch.setattr(real_models, "measure_in_process", lambda training, seconds: None)
    row = real_models.measure_network(("mlp_2", "sgd", True, 8, 2, 1), None)

    assert row["measured"] == {"plain": None}
    assert row["ratios"] == {}


@pytest.mark.parametrize("name", ["vit_12", "lstm", "mlp_5"])
def test_a_network_classifies_its_data(name):
    network = real_networks.real_network(name)
    x, y = network.data(2)

    assert network.make()(x).shape == (2, real_networks.CLASSES)
    assert y.shape == (2,)


def test_an_unknown_network_is_named(tmp_path, capsys):
    status = command_line.main("real_models", ["--only", "vgg", f"--log-dir={tmp_path}"])

    assert status == 2
    assert "Expected a network out of mobilenet_v2, resnet50" in capsys.readouterr().err


def test_operations_are_counted_as_they_are_created():
    with measured_training._counted_operations() as made:
        import tensorflow as tf

        tf.function(lambda x: x + x).get_concrete_function(tf.constant(1.0))

    assert "AddV2" in made
