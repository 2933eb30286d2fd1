"""All experiments at once: the list, and the page that they write."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from experiments import __main__ as all_experiments
from experiments.common.catalogue import BENCHMARKS, EXPERIMENTS, question

FOLDER = Path(all_experiments.__file__).parent


def test_every_module_is_listed_with_its_question(capsys):
    assert all_experiments.main([]) == 0
    lines = capsys.readouterr().out.split("\n\n")[0].splitlines()
    modules = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "__main__"}

    assert {line.split()[0] for line in lines} == modules == {*EXPERIMENTS, *BENCHMARKS}
    assert all(line.endswith("?") for line in lines)
    assert max(map(len, lines)) < 120


def test_the_list_needs_no_tensorflow():
    code = (
        "import sys; from experiments.__main__ import main; main([]);"
        "sys.exit('tensorflow' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parent, check=False)

    assert process.returncode == 0


@pytest.mark.parametrize("name", [*EXPERIMENTS, *BENCHMARKS])
def test_importing_an_experiment_does_not_import_tensorflow(name):
    # Otherwise its help would take seconds, and every process would print TensorFlow's messages.
    code = f"import sys, experiments.{name}; sys.exit('tensorflow' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parent, check=False)

    assert process.returncode == 0


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all")
    arguments = ["--small", "--data=subset", "--jobs=1", "--quiet", f"--log-dir={folder}"]
    assert all_experiments.main(["depth", "sigmoid_vs_relu", *arguments]) == 0
    return (folder / "experiments" / "index.html").read_text()


class Reader(HTMLParser):
    """Collects the references of a page and checks that its elements are closed."""

    def __init__(self, text):
        super().__init__()
        self.links, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_self_contained(page):
    links = Reader(page).links

    assert len([link for link in links if link.startswith("data:image/svg+xml;base64,")]) == 2
    assert all(link.startswith(("data:", "#")) for link in links)


def test_the_page_lists_the_experiments_in_order(page):
    questions = re.findall(r"<h2>(.*)</h2>", page)

    assert questions == [question("sigmoid_vs_relu"), question("depth")]


def test_the_page_shows_every_claim_and_counts_them(page):
    marks = re.findall(r"(✓ yes|✗ no)", page)
    held, total = re.search(r"<p>(\d+) of (\d+) claims", page).groups()

    assert int(total) == len(marks) == 9
    assert int(held) == marks.count("✓ yes")
    assert 0 < int(held) < 9


def test_the_page_warns_that_the_small_form_proves_nothing(page):
    assert "its numbers say nothing" in page


def test_the_page_contains_the_numbers(page):
    assert "relu [1] › gradient_norms › hidden_1/kernel" in page  # noqa: RUF001
    assert "batch_size" in page


def test_an_unknown_name_is_rejected(capsys):
    with pytest.raises(SystemExit):
        all_experiments.main(["dephth"])

    assert "invalid choice: 'dephth'" in capsys.readouterr().err
