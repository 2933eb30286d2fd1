"""The README is correct: its code runs and prints what it shows, and its links are valid."""

import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from logged_runs import write_two
from matplotlib import pyplot

from experiments.common.catalogue import EXPERIMENTS
from vg_keras import read_run
from vg_keras.log import format as log_format
from vg_keras.quantities import CHARTS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TENSORBOARD = (ROOT / "docs" / "tensorboard.md").read_text()
SCRIPT, LOOP, REST = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which all code of the README was run, as one script."""
    folder = tmp_path_factory.mktemp("readme")
    script = folder / "script.py"
    script.write_text(f"{SCRIPT}\n{LOOP}\n{REST}")
    process = subprocess.run(
        [sys.executable, script.name],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    (folder / "printed").write_text(process.stdout)
    return folder


def test_the_script_has_at_most_twelve_lines():
    assert len(SCRIPT.splitlines()) <= 12


def test_the_code_prints_what_is_shown(folder):
    printed = masked((folder / "printed").read_text())
    problem = re.search(r"^    GradientMonitor found.*(?:\n    .*)*", README, re.MULTILINE)[0]
    (factor,) = re.findall(r"shrinks to ([\d.]+) times its size", README)

    assert masked(problem) in printed
    assert f"shrinks to {factor} times its size at each layer" in printed
    assert "GradientMonitor: 1 problem found in 6 records, steps 0 to 20." in printed


def masked(text):
    """A text in one line, without the numbers that depend on the processor."""
    return re.sub(r"[\d,]+-fold|factor of 0\.2\d per", "N", " ".join(text.split()))


@pytest.mark.parametrize(
    ("log_dir", "steps"),
    [
        ("logs", [0, 1, 2, 5, 10, 20]),
        ("logs/loop", [0, 1, 2, 5, 10, 20, 50]),
        ("logs/fixed", [32, 33, 34, 37, 42, 52, 82, 132]),
        ("logs/fixed/probe", [32, 33, 34, 37, 42, 52, 82, 132]),
    ],
)
def test_the_code_records_steps(folder, log_dir, steps):
    (training,) = read_run(folder / log_dir).trainings

    assert [record.step for record in training.records] == steps


@pytest.mark.parametrize("page", ["docs/diagnosing.md", "docs/rules/index.md"])
def test_the_code_of_a_page_runs(page, tmp_path):
    code = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )

    assert process.returncode == 0, process.stderr


def test_the_code_of_the_page_on_figures_runs(tmp_path, monkeypatch):
    for log, name in zip(write_two(tmp_path), ("relu", "sigmoid"), strict=True):
        (tmp_path / "logs" / "demo").mkdir(parents=True, exist_ok=True)
        log.rename(tmp_path / "logs" / "demo" / name)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "figures.md").read_text()
    exec("\n".join(re.findall(r"^    (.*)$", page, re.MULTILINE)), {})  # noqa: S102
    numbers = pyplot.get_fignums()
    pyplot.close("all")

    assert len(numbers) == 8


@pytest.mark.parametrize(
    "page",
    ["README.md", "CONTRIBUTING.md", "experiments/README.md"]
    + [f"experiments/{name}/README.md" for name in EXPERIMENTS]
    + [str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").glob("**/*.md"))],
)
def test_links_are_valid(page):
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", path.read_text())
    invalid = []
    for file, anchor in links:
        target = path.parent / file if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            invalid.append((file, anchor))

    assert invalid == []


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_networks_in_the_pictures_can_be_trained(tmp_path, monkeypatch):
    """On a single batch, instead of the digits that have to be downloaded."""
    (code,) = re.findall(r"```python\n(.*?)```", TENSORBOARD, re.DOTALL)
    x, y = np.zeros((128, 28, 28), np.uint8), np.zeros(128, np.uint8)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: ((x, y), (x, y)))
    monkeypatch.chdir(tmp_path)
    exec(code, {})  # noqa: S102 - the code in the documentation
    runs = re.findall(r'^train\("(.*?)"', code, re.MULTILINE)

    assert len(runs) == 8
    assert {len(read_run(f"logs/{run}").latest.records) for run in runs} == {1, 4}


def test_every_kind_of_tag_is_explained():
    paths = ("", "/VARIABLE", "/KERNEL", "/LAYER")
    prefixes = [chart.prefix for _, chart in CHARTS.values()]
    missing = [one for one in prefixes if not any(f"`{one}{p}`" in TENSORBOARD for p in paths)]
    missing += [kind for kind in CHARTS if f"`{kind}`" not in TENSORBOARD]
    assert missing == [], "Add a row to docs/tensorboard.md."
    for tag in (log_format.TRAINING_TAG, log_format.RECORD_TAG, log_format.COST_TAG):
        assert f"`{tag}`" in TENSORBOARD
