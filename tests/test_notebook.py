"""The notebook in docs/ runs from top to bottom."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "docs" / "first_look.ipynb"

# Of Jupyter's own packages.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning"),
]


@pytest.fixture(scope="module")
def executed():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    return notebook


def texts_of(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [output.text for output in outputs if output.get("name") == "stdout"]


def test_it_shows_two_figures_and_that_theory_is_right(executed):
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    images = [output for output in outputs if "image/png" in output.get("data", {})]
    printed = "".join(texts_of(executed))

    assert len(images) == 2
    assert "sigmoid: accuracy" in printed
    measured = re.findall(r"(\w+): measured ([\d.]+), predicted ([\d.]+)", printed)
    assert [name for name, _, _ in measured] == ["sigmoid", "relu"]
    for _, found, predicted in measured:
        assert float(found) == pytest.approx(float(predicted), rel=0.15)


def test_it_is_committed_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    assert all(not cell.get("outputs") for cell in notebook.cells)
