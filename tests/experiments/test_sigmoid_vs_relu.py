"""The experiment in a small form: what it prints, saves and logs, and what it refuses."""

import json
import os
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import sigmoid_vs_relu
from experiments.common import mlp, mnist, options
from vg_keras import read_run

SMALL = ["--depth=3", "--width=8", "--epochs=1", "--batch-size=20", "--limit=100"]


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


def test_it_ends_well_and_prints_no_warning_and_no_chatter(finished):
    process, _ = finished

    assert process.returncode == 0
    assert process.stderr == ""
    assert not re.search(r"(?i)warning|deprecat|traceback|cuda|onednn", process.stdout)


def test_it_says_which_device_and_which_data_it_takes(finished, data):
    lines = finished[0].stdout.splitlines()

    assert re.match(r"Device: (CPU|GPU)", lines[0])
    assert lines[1] == (
        "Data: MNIST, 120 training images, first 100 training images: 100 training images, "
        f"30 test images ({data})"
    )
    assert lines[2] == (
        "Network: 3 hidden layers of 8, glorot_uniform, sgd with learning rate 0.1, batch 20, "
        "seed 0, 1 epochs, 5 steps"
    )


def test_the_table_has_a_row_for_each_layer_and_both_nets_at_both_ends(finished):
    out = finished[0].stdout

    for name in ("hidden_1", "hidden_2", "hidden_3", "output"):
        assert re.search(rf"│ {name} +(│ +\d\.\d\de[+-]\d\d ){{4}}│", out)
    assert re.search(r"from hidden_3 to hidden_1 +(│ +-?\d+\.\d\d ){4}│", out) or re.search(
        r"decades lost on the way +(│ +-?\d+\.\d\d ){4}│", out
    )
    assert re.search(r"│ test accuracy +│ +│ +\d+\.\d\d% │ +│ +\d+\.\d\d% │", out)
    assert re.search(r"│ test loss +│ +│ +\d\.\d{4} │ +│ +\d\.\d{4} │", out)


def test_the_numbers_of_the_table_are_those_of_the_log(finished):
    process, folder = finished
    first = read_run(folder / "sigmoid").records[0].gradients["hidden_1/kernel"].norm

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
    for network in results["networks"].values():
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


def test_both_nets_start_from_the_same_weights(data):
    chosen = Namespace(
        depth=2,
        width=8,
        epochs=1,
        batch_size=10,
        learning_rate=0.1,
        optimizer="sgd",
        initializer="he_normal",
        seed=5,
        jit_compile="false",
    )
    settings = mlp.settings(chosen, mnist.load(str(data)))
    sigmoid, relu = (mlp.build(name, settings).get_weights() for name in ("sigmoid", "relu"))

    assert all(np.array_equal(a, b) for a, b in zip(sigmoid, relu, strict=True))


def test_both_nets_see_the_same_batches(data, tmp_path):
    seen = {"sigmoid": [], "relu": []}

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            step = self.model.train_step

            def watched_step(batch):
                tf.py_function(lambda y: seen[self.model.name].append(y.numpy()), [batch[1]], [])
                return step(batch)

            self.model.__dict__["train_step"] = watched_step
            self.model.make_train_function(force=True)

    chosen = options.parser("x", None)
    options.add_training(chosen)
    settings = mlp.settings(chosen.parse_args([*SMALL[:4]]), mnist.load(str(data)))
    for name in seen:
        mlp.train(name, settings, mnist.load(str(data)), tmp_path / name, [Watch()])

    assert len(seen["relu"]) == 6
    assert np.array_equal(np.concatenate(seen["sigmoid"]), np.concatenate(seen["relu"]))


def test_the_runs_lie_where_the_last_line_says(finished):
    process, folder = finished

    assert process.stdout.splitlines()[-1].endswith(f"tensorboard --logdir {folder}")
    assert {path.parent.name for path in folder.rglob("*tfevents*")} == {
        "gradients",
        "train",
        "validation",
    }


def test_quiet_prints_nothing_and_output_goes_where_it_is_told(data, tmp_path, capsys):
    status = sigmoid_vs_relu.main(
        [*SMALL, f"--data={data}", f"--log-dir={tmp_path}", f"--output={tmp_path / 'o'}", "--quiet"]
    )

    assert status == 0
    assert capsys.readouterr() == ("", "")
    assert {p.name for p in (tmp_path / "o").iterdir()} == {
        "results.json",
        "sigmoid_vs_relu.png",
        "sigmoid_vs_relu.svg",
    }


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(data, tmp_path):
    norms = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        output = tmp_path / name
        places = [f"--data={data}", f"--log-dir={tmp_path}", f"--output={output}"]
        sigmoid_vs_relu.main([*SMALL, *places, "--quiet", f"--seed={seed}"])
        networks = json.loads((output / "results.json").read_text())["networks"]
        norms.append([networks[name]["gradient_norms"] for name in ("sigmoid", "relu")])

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
            "error: The folder /dev/null/logs/sigmoid_vs_relu can't be made: Not a directory.\n",
        ),
        (
            ["--output=/dev/null/x"],
            "error: The folder /dev/null/x can't be made: Not a directory.\n",
        ),
    ],
)
def test_what_can_not_be_had_is_told_in_a_sentence(data, tmp_path, capsys, arguments, message):
    settings = [*SMALL, f"--data={data}", f"--log-dir={tmp_path}", "--quiet", *arguments]
    status = sigmoid_vs_relu.main(settings)

    assert status == 2
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    "argument", ["--depth=0", "--epochs=-1", "--learning-rate=nan", "--seed=-1", "--limit=0"]
)
def test_an_impossible_number_is_refused(argument, capsys):
    with pytest.raises(SystemExit) as stop:
        sigmoid_vs_relu.main([argument])

    assert stop.value.code == 2
    assert argument.partition("=")[0] in capsys.readouterr().err


def test_its_help_shows_every_option(capsys):
    with pytest.raises(SystemExit):
        sigmoid_vs_relu.main(["--help"])
    out = capsys.readouterr().out

    options = "device depth width epochs batch-size learning-rate optimizer initializer seed "
    options += "jit-compile data limit log-dir output quiet"
    for option in options.split():
        assert f"--{option} " in out


def test_ctrl_c_ends_it_without_a_traceback(data, tmp_path, capsys, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "fit", interrupted)
    status = sigmoid_vs_relu.main([*SMALL, f"--data={data}", f"--log-dir={tmp_path}", "--quiet"])

    assert status == 130
    assert capsys.readouterr().err == (f"\nInterrupted. What was logged so far is in {tmp_path}.\n")


def test_committed_results_are_those_of_all_of_mnist():
    folder = Path(sigmoid_vs_relu.__file__).parent / "results" / "sigmoid_vs_relu"
    results = json.loads((folder / "results.json").read_text())
    sigmoid, relu = results["networks"]["sigmoid"], results["networks"]["relu"]

    assert results["data"]["name"] == "MNIST"
    assert results["settings"]["epochs"] == 5
    assert sigmoid["test_accuracy"] == pytest.approx(0.1135, abs=1e-4)
    assert min(sigmoid["decades_lost"]) > 3
    assert relu["test_accuracy"] > 0.95
    assert max(abs(decades) for decades in relu["decades_lost"]) < 1
