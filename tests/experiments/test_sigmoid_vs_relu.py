"""The experiment in a small form: what it prints, saves and logs, and what it rejects."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import sigmoid_vs_relu
from experiments.common import command_line, mlp, mnist, options
from experiments.common.sweep import Work
from experiments.sigmoid_vs_relu import SMALL
from vg_keras import read_run


def main(arguments):
    """Runs the experiment in this process."""
    return command_line.main("sigmoid_vs_relu", [*arguments, "--jobs=1"])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "mnist.npz"
    np.savez(
        path,
        x_train=random.integers(0, 256, (120, 28, 28), np.uint8),
        y_train=random.integers(0, 10, 120, np.uint8),
        x_test=random.integers(0, 256, (30, 28, 28), np.uint8),
        y_test=random.integers(0, 10, 30, np.uint8),
    )
    return path


def run(*arguments, **environment):
    """Runs the experiment as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "experiments.sigmoid_vs_relu", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "120", **environment},
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    logs = tmp_path_factory.mktemp("logs")
    process = run(*SMALL, f"--data={data}", f"--log-dir={logs}")
    (folder,) = (logs / "sigmoid_vs_relu").iterdir()
    return process, folder


def test_it_succeeds_without_warnings_or_other_noise(finished):
    process, _ = finished

    assert process.returncode == 0
    assert process.stderr == ""
    assert not re.search(r"(?i)warning|deprecat|traceback|cuda|onednn", process.stdout)


def test_it_states_which_device_and_data_it_uses(finished, data):
    lines = finished[0].stdout.splitlines()

    assert re.match(r"Device: (CPU|GPU)", lines[0])
    assert lines[1] == (
        "Data: MNIST, 120 training images, first 100 training images: 100 training images, "
        f"30 test images ({data})"
    )
    assert lines[2] == (
        "Network: 3 hidden layers of 8 units, glorot_uniform, sgd with learning rate 0.1, "
        "batch 20, seed 0, 1 epochs, 5 steps"
    )


def test_the_table_has_a_row_for_each_layer_and_both_nets_at_both_ends(finished):
    out = finished[0].stdout

    for name in ("hidden_1", "hidden_2", "hidden_3", "output"):
        assert re.search(rf"│ {name} +(│ +\d\.\d\de[+-]\d\d ){{4}}│", out)
    assert re.search(r"│ decades lost from the last +(│ +-?\d+\.\d\d ){4}│", out)
    assert re.search(r"│ test accuracy +│ +│ +\d+\.\d\d% │ +│ +\d+\.\d\d% │", out)
    assert re.search(r"│ test loss +│ +│ +\d\.\d{4} │ +│ +\d\.\d{4} │", out)


def test_every_claim_is_printed_with_its_source_and_whether_it_held(finished):
    out = finished[0].stdout

    assert "What is claimed, and what came out" in out
    assert "claim 5; one class predicted for every image" in out
    assert re.search(
        r"ReLU: test accuracy, % +│ it trains │ +\d+\.\d\d │ at least 90.00 +│ +no │", out
    )


def test_the_numbers_in_the_table_equal_those_in_the_log(finished):
    process, folder = finished
    first = read_run(folder / "sigmoid").latest.records[0].gradients["hidden_1/kernel"].norm

    assert f"{first:.2e}" in process.stdout


def test_the_figure_is_a_png_and_an_svg(finished):
    folder = finished[1]

    assert (folder / "sigmoid_vs_relu.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "sigmoid_vs_relu.svg").read_text()


def test_results_hold_every_setting_and_number(finished):
    results = json.loads((finished[1] / "results.json").read_text())

    assert results["settings"] == {
        "depth": 3,
        "width": 8,
        "epochs": 1,
        "batch_size": 20,
        "learning_rate": 0.1,
        "optimizer": "sgd",
        "initializer": "glorot_uniform",
        "seed": 0,
        "jit_compile": "auto",
    }
    assert results["data"]["training_images"] == 100
    for activation in ("sigmoid", "relu"):
        (network,) = results["numbers"][activation]
        assert network["steps"] == [0, 1, 2, 3, 4]
        assert list(network["gradient_norms"]) == [
            "hidden_1/kernel",
            "hidden_2/kernel",
            "hidden_3/kernel",
            "output/kernel",
        ]
        assert {len(norms) for norms in network["gradient_norms"].values()} == {5}
        assert network["parameters"] == 784 * 8 + 8 + 2 * (64 + 8) + 80 + 10
        assert len(network["history"]["val_loss"]) == 1


def settings(data, *arguments):
    """Returns the settings from these options on this data."""
    parser = options.parser(sigmoid_vs_relu)
    return mlp.settings(parser.parse_args([*SMALL, *arguments]), mnist.load(str(data)))


def test_both_nets_start_from_the_same_weights(data):
    chosen = settings(data, "--initializer=he_normal", "--seed=5", "--jit-compile=false")
    sigmoid, relu = (mlp.build(name, chosen).get_weights() for name in ("sigmoid", "relu"))

    assert all(np.array_equal(a, b) for a, b in zip(sigmoid, relu, strict=True))
    assert not np.array_equal(sigmoid[2], sigmoid[4])


def test_both_nets_see_the_same_batches(data, tmp_path):
    seen = {"sigmoid": [], "relu": []}

    class Watched(Work):
        def progress(self, steps):
            return Watch()

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            step = self.model.train_step

            def watched_step(batch):
                tf.py_function(lambda y: seen[self.model.name].append(y.numpy()), [batch[1]], [])
                return step(batch)

            self.model.__dict__["train_step"] = watched_step
            self.model.make_train_function(force=True)

    chosen = settings(data)
    work = Watched(tmp_path, mnist.load(str(data)), "cpu")
    for name in seen:
        mlp.train(mlp.build(name, chosen), chosen, work)

    assert len(seen["relu"]) == 6
    assert np.array_equal(np.concatenate(seen["sigmoid"]), np.concatenate(seen["relu"]))


def test_the_last_line_states_where_the_runs_are(finished):
    process, folder = finished

    assert process.stdout.splitlines()[-1].endswith(f"tensorboard --logdir {folder}")
    assert {path.parent.name for path in folder.rglob("*tfevents*")} == {
        "gradients",
        "train",
        "validation",
    }


def test_quiet_prints_nothing_and_output_sets_the_folder(data, tmp_path, capsys):
    status = main(
        [*SMALL, f"--data={data}", f"--log-dir={tmp_path}", f"--output={tmp_path / 'o'}", "--quiet"]
    )

    assert status == 0
    assert capsys.readouterr() == ("", "")
    assert {p.name for p in (tmp_path / "o").iterdir()} == {
        "results.json",
        "sigmoid_vs_relu.png",
        "sigmoid_vs_relu.svg",
    }


def test_equal_seeds_give_equal_numbers_and_others_differ(data, tmp_path):
    norms = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        output = tmp_path / name
        places = [f"--data={data}", f"--log-dir={output}", f"--output={output}"]
        main([*SMALL, *places, "--quiet", f"--seed={seed}"])
        networks = json.loads((output / "results.json").read_text())["numbers"]
        norms.append([networks[name][0]["gradient_norms"] for name in ("sigmoid", "relu")])

    assert norms[0] == norms[1]
    assert norms[0] != norms[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--device=gpu"],
            (
                "error: Expected a GPU for --device gpu. TensorFlow sees none. Install the "
                'package\'s extra "cuda" for an NVIDIA GPU under Linux, or use --device cpu.\n'
            ),
        ),
        (
            ["--data=/nowhere"],
            "error: Expected MNIST at /nowhere, where there is nothing.\n",
        ),
        (
            ["--optimizer=sdg"],
            "error: Expected the name of a Keras optimizer for --optimizer. Received: 'sdg'.\n",
        ),
        (
            ["--initializer=glorot"],
            (
                "error: Expected the name of a Keras initializer for --initializer. "
                "Received: 'glorot'.\n"
            ),
        ),
        (
            ["--log-dir=/dev/null/logs"],
            "error: The folder /dev/null/logs can't be made: Not a directory.\n",
        ),
        (
            ["--output=/dev/null/x"],
            "error: The folder /dev/null/x can't be made: Not a directory.\n",
        ),
    ],
)
def test_what_is_unavailable_is_reported_in_a_sentence(data, tmp_path, capsys, arguments, message):
    settings = [*SMALL, f"--data={data}", f"--log-dir={tmp_path}", "--quiet", *arguments]
    status = main(settings)

    assert status == 2
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    "argument", ["--depth=0", "--epochs=-1", "--learning-rate=nan", "--seed=-1", "--limit=0"]
)
def test_an_impossible_number_is_rejected(argument, capsys):
    with pytest.raises(SystemExit) as stop:
        main([argument])

    assert stop.value.code == 2
    assert argument.partition("=")[0] in capsys.readouterr().err


def test_its_help_shows_every_option(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out

    every = (
        "device jobs fresh depth width epochs batch-size learning-rate optimizer initializer seed "
    )
    every += "seeds jit-compile data limit log-dir output quiet"
    for option in every.split():
        assert f"--{option} " in out


def test_ctrl_c_ends_it_without_a_traceback(data, tmp_path, capsys, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "fit", interrupted)
    status = main([*SMALL, f"--data={data}", f"--log-dir={tmp_path}", "--quiet"])

    assert status == 130
    assert capsys.readouterr().err == (
        f"\nInterrupted. What is done lies in {tmp_path}; the same command goes on from there.\n"
    )


def test_several_seeds_are_trained_and_drawn_as_a_band(data, tmp_path, capsys):
    status = main([*SMALL, f"--data={data}", f"--log-dir={tmp_path}", "--seeds=3"])
    (folder,) = (tmp_path / "sigmoid_vs_relu").iterdir()
    numbers = json.loads((folder / "results.json").read_text())["numbers"]
    norms = [network["gradient_norms"]["hidden_1/kernel"][0] for network in numbers["relu"]]

    assert status == 0
    assert numbers["seeds"] == [0, 1, 2]
    assert len(set(norms)) == 3
    assert "median and range of 3 seeds" in (folder / "sigmoid_vs_relu.svg").read_text()
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {
        *("runs", "sigmoid", "sigmoid_seed_1", "sigmoid_seed_2"),
        *("relu", "relu_seed_1", "relu_seed_2"),
    }


def held(is_full=True, **changed):
    """Returns which claims hold for two expected networks, apart from changes to both."""

    def network(accuracy, loss, decades):
        numbers = {"test_accuracy": accuracy, "test_loss": loss} | changed
        lost = changed.get("decades", decades)
        return SimpleNamespace(records=[0], decades_lost=lambda record: lost, **numbers)

    networks = {"sigmoid": [network(0.1135, 2.301, 4.39)], "relu": [network(0.965, 0.1, -0.5)]}
    chosen = mlp.Settings(8, 128, 5, 128, 0.1, "sgd", "glorot_uniform", 0, "auto")
    data = SimpleNamespace(share_of_one_answer=11.35, is_full=is_full)
    return [check.held for check in sigmoid_vs_relu._checks(networks, chosen, data)]


def test_the_claims_hold_for_the_expected_networks():
    assert held() == [True] * 5


@pytest.mark.parametrize(("is_full", "loss", "holds"), [(True, 2.32, False), (False, 2.32, True)])
def test_the_loss_has_a_band_of_its_own_on_the_subset(is_full, loss, holds):
    assert held(is_full, test_loss=loss)[3] is holds


@pytest.mark.parametrize(
    ("changed", "holding"),
    [
        ({"decades": 2.0}, [False, False, True, True, True]),
        ({"decades": math.nan}, [False, False, True, True, True]),
        ({"test_accuracy": 0.5}, [True, True, False, True, False]),
        ({"test_loss": 1.0}, [True, True, True, False, True]),
    ],
)
def test_each_claim_fails_for_other_networks(changed, holding):
    assert held(**changed) == holding


def test_committed_results_are_from_all_of_mnist():
    folder = Path(sigmoid_vs_relu.__file__).parent / "results" / "sigmoid_vs_relu"
    results = json.loads((folder / "results.json").read_text())
    (sigmoid,), (relu,) = results["numbers"]["sigmoid"], results["numbers"]["relu"]

    assert results["data"]["name"] == "MNIST"
    assert results["settings"]["epochs"] == 5
    assert sigmoid["test_accuracy"] == pytest.approx(0.1135, abs=1e-4)
    assert min(sigmoid["decades_lost"]) > 3
    assert relu["test_accuracy"] > 0.95
    assert np.median(np.abs(relu["decades_lost"])) < 1
