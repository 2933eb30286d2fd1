"""The cost benchmark: that each way to train is measured and compared, not how long it takes."""

from dataclasses import replace

import pytest
import tensorflow as tf

from experiments.__main__ import main
from experiments.common import catalogue, options, pages
from experiments.cost import NETWORKS, WAYS, experiment, measuring, networks

TRAINING = measuring.Training("mlp_2", "sgd", False, 8, 2, "cpu")
KNOWN = {"--networks": NETWORKS, "--optimizers": options.OPTIMIZERS}


def test_processes_measure_a_network_with_and_without_the_monitor(small):
    (row,) = small["numbers"]["networks"]
    plain, monitored, every_step = row["measured"].values()

    assert (row["network"], row["optimizer"], row["jit_compile"]) == ("mlp_2", "sgd", False)
    assert plain["bytes_per_record"] == 0
    for found in (monitored, every_step):
        assert found["bytes_per_record"] > 1000
        assert found["operations"] > plain["operations"] > 0
    assert all(min(ratios.values()) > 0 for ratios in row["ratios"].values())


def test_a_training_run_that_takes_too_long_is_given_up():
    assert measuring.measure_in_process(TRAINING, 0.1) is None


def test_a_training_run_that_fails_reports_why_without_tensorflows_messages():
    with pytest.raises(RuntimeError, match=r"failed:\nTraceback(.|\n)*no_optimizer"):
        measuring.measure_in_process(replace(TRAINING, optimizer="no_optimizer"), None)


def pretend(monkeypatch, *too_slow):
    """Replaces the measurements by 2, 3 and 4."""
    names = [*experiment.METRICS, "bytes_per_record"]
    values = {way: dict.fromkeys(names, 2.0 + i) for i, way in enumerate(["plain", *WAYS])}
    values |= dict.fromkeys(too_slow)
    monkeypatch.setattr(experiment, "measure_in_process", lambda run, seconds: values[run.way])


def test_every_way_is_compared_with_plain_fit(tmp_path, capsys, monkeypatch):
    pretend(monkeypatch)
    arguments = ["--networks", "4x8", "4x8", "--optimizers=sgd", "--without-xla"]
    assert main(["cost", *arguments, f"--output={tmp_path}", f"--log-dir={tmp_path}"]) == 0
    printed, answer = capsys.readouterr().out.split(), pages.read(tmp_path)["answer"]
    (row,) = pages.read(tmp_path)["numbers"]["networks"]

    assert [set(r.values()) for r in row["ratios"].values()] == [{1.5}, {2}]
    assert (
        f"{WAYS['every_step'][0]} multiplies CPU time of the first two steps by up to 2.0" in answer
    )
    assert " 4x8, sgd 2.0 s 2 2.0 ms 2 MB 0 monitored 1.50 1.50 1.50 1.50 0 " in " ".join(printed)


@pytest.mark.parametrize(("too_slow", "num_measured"), [("plain", 1), ("monitored", 3)])
def test_what_takes_too_long_is_not_compared(too_slow, num_measured, monkeypatch):
    pretend(monkeypatch, too_slow)
    row = experiment.measure_network((TRAINING, 1), None)

    assert list(row["ratios"]) == ["every_step"] * (num_measured == 3)
    assert len(row["measured"]) == experiment.table([row]).row_count == num_measured
    assert "Training runs that exceeded the time limit: 1." in experiment.answer([row])


@pytest.mark.parametrize("name", ["vit_12", "lstm", "mlp_5", "4x8"])
def test_a_network_classifies_its_data(name):
    model = networks.make(name)
    x, y = networks.random_data(model, 2)

    assert model(x).shape == (*y.shape, networks.CLASSES)


def test_operations_are_counted_as_they_are_created():
    made = []
    with measuring.counted_operations(made):
        tf.function(lambda x: x + x).get_concrete_function(tf.constant(1.0))

    assert "AddV2" in made


@pytest.mark.parametrize("option", KNOWN)
def test_an_unknown_name_is_rejected_and_the_known_ones_are_listed(option, capsys):
    with pytest.raises(SystemExit):
        main(["cost", option, "mlp_0", "--help"])  # the help exits if the name is accepted
    message = capsys.readouterr().err

    assert f"{option}: " in message
    assert all(name in message for name in ("'mlp_0'", *KNOWN[option]))


def test_the_committed_answer_follows_from_the_committed_numbers():
    results = pages.read(catalogue.FOLDER / "cost")

    assert results["question"] == catalogue.question("cost")
    assert results["answer"] == experiment.answer(results["numbers"]["networks"])
