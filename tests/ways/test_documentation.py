"""The documentation's tables list exactly what is tested."""

import re
from pathlib import Path

import pytest
from kinds_of_training import KINDS_OF_TRAINING
from layers_and_models import LAYERS_AND_MODELS

TESTS = Path(__file__).parent
TABLE = (TESTS.parents[1] / "docs/ways_to_train.md").read_text()
COLUMNS = ("gradients", "activations", "activation gradients", "updates")


def rows(heading):
    section = TABLE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(
    ("heading", "ways"),
    [
        ("Layers and models", LAYERS_AND_MODELS),
        ("Optimizers, losses, precision, execution", KINDS_OF_TRAINING),
    ],
)
def test_each_way_has_a_row_and_each_cell_a_test(heading, ways):
    expected = [
        [way.name, *(f"no: {way.missing[c]}" if c in way.missing else "yes" for c in COLUMNS)]
        for way in ways
    ]

    assert rows(heading) == expected


def test_each_way_around_the_steps_names_an_existing_test():
    for way, recorded, test in rows("Around the steps"):
        assert way
        assert recorded
        if test:
            file, _, function = test.strip("`").partition("::")
            assert re.search(rf"^def {function}\(", (TESTS / file).read_text(), re.MULTILINE)
        else:
            assert recorded.startswith("not supported: ")
