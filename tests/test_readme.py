"""The README is correct: its code runs and prints what it shows, and its links are valid."""

import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from small_models import mlp, regression_data

from experiments.common import command_line
from experiments.common.catalogue import BENCHMARKS, EXPERIMENTS
from vg_keras import GradientMonitor, read_run
from vg_keras.log import format as log_format
from vg_keras.log.charts import KINDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TENSORBOARD = (ROOT / "docs" / "tensorboard.md").read_text()
CODE, LOOP, PROBE, THEORY = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHOWN = re.search(r"```\n(sequential.*?)```", README, re.DOTALL).group(1)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    process = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
        check=True,
    )
    assert list((folder / "logs" / "gradients").glob("*tfevents*"))
    return process.stdout


def test_the_script_has_at_most_twelve_lines():
    assert len(CODE.splitlines()) <= 12


def test_the_script_prints_the_output_shown(printed):
    # Only one digit of each norm is shown, so that all processors round it alike.
    assert printed == SHOWN


def test_the_theory_example_prints_the_output_shown(capsys):
    exec(THEORY, {})  # noqa: S102 - the code in the README
    shown = re.search(r"```\n(q\* = .*?)```", README, re.DOTALL).group(1)

    assert capsys.readouterr().out == shown


def test_the_custom_training_loop_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("loop.py").write_text(LOOP)  # where AutoGraph looks up the source
    names = {
        "tf": tf,
        "GradientMonitor": GradientMonitor,
        "model": mlp(),
        "optimizer": keras.optimizers.SGD(0.1),
        "loss_fn": keras.losses.MeanSquaredError(),
        "batches": [tuple(map(tf.constant, regression_data(1)))],
    }
    exec(compile(LOOP, "loop.py", "exec"), names)  # noqa: S102 - the code in the README

    assert len(LOOP.split("\n")) - LOOP.count("\n\n") - 1 <= 10
    assert len(read_run("logs").latest.records) == 1


def test_the_probe_example_runs(tmp_path):
    x, y = regression_data(1)
    monitor = eval(PROBE, {"x_test": x, "y_test": y, "GradientMonitor": GradientMonitor})

    assert monitor.probe.x.shape == x.shape


@pytest.mark.parametrize(
    "page",
    ["README.md", "CONTRIBUTING.md", "experiments/README.md"]
    + [f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))],
)
def test_links_are_valid(page):
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_kind_of_tag_is_explained():
    paths = ("", "/VARIABLE", "/LAYER")
    missing = [kind for kind in KINDS if not any(f"`{kind}{p}`" in TENSORBOARD for p in paths)]
    assert missing == [], "Add a row to docs/tensorboard.md."
    for tag in (log_format.TRAINING_TAG, log_format.RECORD_TAG, log_format.COST_TAG):
        assert f"`{tag}`" in TENSORBOARD


@pytest.mark.parametrize("name", [*EXPERIMENTS, *BENCHMARKS])
def test_every_experiment_has_a_help_text(name, capsys):
    with pytest.raises(SystemExit) as stop:
        command_line.main(name, ["--help"])

    assert stop.value.code == 0
    assert f"python -m experiments.{name}" in capsys.readouterr().out
