"""The notebook in docs/ runs from top to bottom, and draws the pictures of docs/figures.md."""

import base64
import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOK = DOCS / "first_look.ipynb"
PICTURES = [f"figure_{name}.png" for name in ("gradient_flow", "by_step", "by_depth", "loss")]

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


def test_its_pictures_are_those_of_the_documentation(executed, tmp_path):
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    images = [
        output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})
    ]
    assert len(images) == len(PICTURES)
    for image, name in zip(images, PICTURES, strict=True):
        drawn = Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB")
        drawn.save(tmp_path / name)
        with Image.open(DOCS / "images" / name) as picture:
            committed = picture.convert("RGB")

        # Other processors round differently, so the lines of another machine are not the same.
        assert np.allclose(drawn.size, committed.size, atol=4)
        difference = np.subtract(drawn.resize(committed.size), committed, dtype=float)
        assert np.abs(difference).mean() < 8, f"docs/images/{name} differs from {tmp_path / name}"


def test_it_shows_that_theory_is_right(executed):
    printed = "".join(texts_of(executed))

    assert "sigmoid: accuracy" in printed
    measured = re.findall(r"(\w+): measured ([\d.]+), predicted ([\d.]+)", printed)
    assert [name for name, _, _ in measured] == ["sigmoid", "relu"]
    for _, found, predicted in measured:
        assert float(found) == pytest.approx(float(predicted), rel=0.15)


def test_it_ends_with_all_numbers_as_a_table(executed):
    (output,) = executed.cells[-1].outputs

    assert "gradients_norm" in output.data["text/html"]
    assert "sequential/dense_8/kernel" in output.data["text/plain"]


def test_it_is_committed_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    assert all(not cell.get("outputs") for cell in notebook.cells)
