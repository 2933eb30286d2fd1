"""What the README says is so: its code runs and prints what it shows, its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import monitoring_cost, sigmoid_vs_relu
from vg_keras import events, metadata

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CODE = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
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


def test_the_script_prints_what_is_shown(printed):
    # One digit of each norm is shown, so that no other processor rounds it differently.
    assert printed == SHOWN


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "experiments/README.md"])
def test_links_lead_somewhere(page):
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_kind_of_tag_is_explained():
    tags = [f"{kind}/VARIABLE" for kind in events.KINDS]

    for tag in [*tags, metadata.MODEL_TAG, metadata.RECORD_TAG]:
        assert f"`{tag}`" in README


@pytest.mark.parametrize("experiment", [sigmoid_vs_relu, monitoring_cost])
def test_every_experiment_answers_to_help(experiment, capsys):
    with pytest.raises(SystemExit) as stop:
        experiment.main(["--help"])

    assert stop.value.code == 0
    assert f"python -m experiments.{experiment.NAME}" in capsys.readouterr().out
