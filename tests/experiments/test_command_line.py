"""The entry point: what it lists, what it rejects before TensorFlow starts, and running all."""

import ast
import errno
import graphlib
import re
import subprocess
import sys
from collections import Counter

import keras
import pytest

from experiments import __main__ as command_line
from experiments.__main__ import main
from experiments.common import options
from experiments.common.catalogue import BENCHMARKS, EXPERIMENTS, FOLDER, question

NAMES = [*EXPERIMENTS, *BENCHMARKS]


def test_every_folder_is_listed_with_its_question(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.split("\n\n")[0].splitlines()
    folders = {path.parent.name for path in FOLDER.glob("*/experiment.py")}

    assert {line.split()[0] for line in lines} == folders == set(NAMES)
    assert all(line.endswith("?") for line in lines)
    assert max(map(len, lines)) < 120


def test_the_list_the_help_and_every_rejection_need_no_tensorflow():
    code = (
        "import sys\nfrom experiments.__main__ import main\n"
        f"for arguments in ([], *([name, '--help'] for name in {NAMES}), ['depth', '--width=x']):\n"
        "    try:\n        main(arguments)\n"
        "    except SystemExit as stop:\n        assert stop.code in (0, 2)\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parent, check=False)

    assert process.returncode == 0


def test_imports_are_at_the_top_and_make_no_circles():
    imported = {}
    for path in FOLDER.rglob("*.py"):
        tree = ast.parse(path.read_text())
        found = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        assert path.name == "start.py" or all(node in tree.body for node in found), path
        module = ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts)
        froms = [node for node in found if isinstance(node, ast.ImportFrom)]
        names = {f"{node.module}.{alias.name}" for node in froms for alias in node.names}
        imported[module] = names | {node.module for node in froms}

    graphlib.TopologicalSorter(imported).prepare()  # raises CycleError


COMMON = ("device", "jobs", "log-dir", "output", "fresh", "quiet")
OF_DEMO = (
    *("depth", "width", "epochs", "batch-size", "learning-rate", "optimizer", "initializer"),
    *("seed", "num-seeds", "jit-compile", "data", "limit"),
)


@pytest.mark.parametrize("name", NAMES)
def test_every_help_names_its_command_and_the_common_options(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    out = capsys.readouterr().out

    assert stop.value.code == 0
    assert out.startswith(f"usage: python -m experiments {name} [options]\n\n{question(name)}\n")
    for option in COMMON + (OF_DEMO if name == "sigmoid_vs_relu" else ()):
        assert f"--{option} " in out
    assert "(default: None)" not in out


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--optimizer=sdg", "argument --optimizer: invalid choice: 'sdg' (choose from"),
        ("--initializer=glorot", "argument --initializer: invalid choice: 'glorot' (choose from"),
        ("--data=/nowhere", "argument --data: /nowhere does not exist. Expected a file or 'sub"),
        ("--log-dir=/dev/null/x", "the folder /dev/null/x cannot be created: Not a directory"),
        ("--output=/dev/null/x", "the folder /dev/null/x cannot be created: Not a directory"),
        ("--depth=0", "argument --depth: 0 is not positive"),
        ("--depth=x", "argument --depth: invalid positive value: 'x'"),
        ("--epochs=-1", "argument --epochs: -1 is not positive"),
        ("--learning-rate=nan", "argument --learning-rate: nan is not a positive number"),
        ("--seed=-1", "argument --seed: -1 is not between 0 and 2**31 - 1"),
        ("--limit=0", "argument --limit: 0 is not positive"),
        ("--num-seed=2", "unrecognized arguments: --num-seed=2"),  # no abbreviations
        ("--seeds=2", "unrecognized arguments: --seeds=2"),
    ],
)
def test_what_cannot_be_used_is_named(argument, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["sigmoid_vs_relu", argument])

    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_an_unknown_experiment_is_rejected_with_the_list(capsys):
    assert main(["dephth"]) == 2
    out, err = capsys.readouterr()

    assert "\ndepth  " in out
    assert err == "\nerror: There is no experiment 'dephth'. Choose one from the list.\n"


def test_the_names_on_the_command_line_are_kerass():
    known = {name.lower() for name in dir(keras.optimizers) if name[0].isupper()}
    for name in options.OPTIMIZERS:
        assert name in known
        keras.optimizers.get(name)
    for name in options.INITIALIZERS:
        assert keras.initializers.get(name)([4, 4]).shape == (4, 4)


def test_an_error_that_the_user_can_fix_is_one_sentence(tmp_path, capsys):
    arguments = ["--device=gpu", "--data=subset", f"--log-dir={tmp_path}", "--quiet"]

    assert main(["sigmoid_vs_relu", *arguments]) == 2
    assert capsys.readouterr().err == (
        "error: Expected a GPU for --device gpu. TensorFlow sees none. Install the package's extra "
        '"cuda" for an NVIDIA GPU under Linux, or use --device cpu.\n'
    )


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (OSError(errno.ENOSPC, "Full", "logs/x"), 2, "error: The disk is full (logs/x)."),
        (KeyboardInterrupt(), 130, "\nInterrupted."),
    ],
)
def test_a_stop_is_reported_in_one_sentence(monkeypatch, tmp_path, capsys, error, status, message):
    def stop(*args):
        raise error

    monkeypatch.setattr(command_line.mnist, "load", stop)

    assert main(["depth", f"--log-dir={tmp_path}"]) == status
    assert capsys.readouterr().err == (
        f"{message} What is done is in {tmp_path}; the same command continues from there.\n"
    )


@pytest.fixture
def run_all(tmp_path):
    """Runs the small forms of some experiments by one command, and returns their page."""

    def run_all(*names, status):
        arguments = ["--small", "--data=subset", "--jobs=1", "--quiet", f"--log-dir={tmp_path}"]
        assert main(["all", "--only", *names, *arguments]) == status
        return tmp_path / "experiments" / "index.html"

    return run_all


def test_the_page_shows_figures_questions_and_claims_in_order(run_all):
    page = run_all("glorot", "nielsen", status=0)
    text = page.read_text()
    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    opened, closed = (Counter(re.findall(pattern, text)) for pattern in (r"<(\w+)", r"</(\w+)"))

    assert links == ["nielsen/nielsen.png", "glorot/glorot.png"]
    assert all((page.parent / link).read_bytes().startswith(b"\x89PNG") for link in links)
    assert re.findall(r"<h2>(.*)</h2>", text) == ["nielsen", "glorot"]
    assert f"<strong>{question('glorot')}</strong>" in text
    assert len(re.findall(r"<tr>\n(?=<td>)", text)) == 29 + 12
    assert "Their numbers say nothing" in text
    assert opened - closed == Counter(meta=1, img=2)


def test_one_failure_leaves_the_others_on_the_page(run_all, monkeypatch, capfd):
    def fail(*args, **kwargs):
        raise ZeroDivisionError("broken")

    monkeypatch.setattr("experiments.depth.experiment.run", fail)
    page = run_all("depth", "glorot", status=1)
    out, err = capfd.readouterr()

    assert "ZeroDivisionError: broken" in err
    assert out == ""  # --quiet
    assert re.findall(r"<h2>(.*)</h2>", page.read_text()) == ["glorot"]
