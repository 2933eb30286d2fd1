"""Independent runs: in parallel, in order, saved when done, and interruptible by Ctrl-C."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import pytest
from rich.console import Console
from toy_runs import computed, failing_at_three, slow_square, square, surroundings

from experiments.common import mnist
from experiments.common.sweep import Work, sweep

SILENT = Console(quiet=True)


def results(function, runs, folder, jobs=1, data=None, console=SILENT):
    done = sweep(function, runs, Work(folder, data, "cpu"), jobs, console)
    return [result for result, _ in done]


@pytest.fixture(autouse=True)
def found_by_other_processes(monkeypatch):
    """Makes the functions of this folder importable in other processes."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


def test_results_are_in_the_order_of_the_runs_and_have_their_durations(tmp_path):
    done = sweep(square, [3, 1, 2], Work(tmp_path, None, "cpu"), 1, SILENT)

    assert [square for square, _ in done] == [9, 1, 4]
    assert all(0 <= seconds < 60 for _, seconds in done)


def test_finished_runs_are_not_repeated(tmp_path, capsys):
    results(square, [1, 2], tmp_path)
    again = results(square, [1, 2, 3], tmp_path, console=Console())

    assert again == [1, 4, 9]
    assert computed(tmp_path) == [1, 2, 3]
    assert "2 of 3 runs were done before" in capsys.readouterr().out


def test_runs_finished_before_a_failure_are_kept(tmp_path):
    with pytest.raises(ZeroDivisionError, match="three"):
        results(failing_at_three, [1, 2, 3, 4], tmp_path)
    assert computed(tmp_path) == [1, 2]

    assert results(failing_at_three, [1, 2, 4], tmp_path) == [1, 4, 16]
    assert computed(tmp_path) == [1, 2, 4]


def test_other_processes_give_the_same_results_with_a_part_of_the_threads(tmp_path, monkeypatch):
    digits, found = mnist.load_subset(), []
    for jobs, cores in ((1, 4), (2, 4), (2, 2)):
        monkeypatch.setattr(joblib, "cpu_count", lambda cores=cores: cores)
        folder = tmp_path / f"{jobs} on {cores}"
        found.append(results(surroundings, [0, 7], folder, jobs, digits))

    brightness = [float(digits.x_train[i].mean()) for i in (0, 7)]
    ignores_interrupts = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert [here[:2] for here in found[0]] == [(mean, ignores_interrupts) for mean in brightness]
    assert found[1] == [(mean, True, 2) for mean in brightness]
    assert found[2] == [(mean, True, 1) for mean in brightness]


def test_an_experiment_without_digits_raises(tmp_path):
    with pytest.raises(TypeError, match="It has no option --data"):
        results(surroundings, [0], tmp_path)


INTERRUPTED = """
import signal
import sys
from pathlib import Path
from rich.console import Console
from toy_runs import slow_square
from experiments import __main__ as command_line
from experiments.common.sweep import Work, sweep

# What a shell runs in the background ignores Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
folder = Path(sys.argv[1])
work = Work(folder, None, "cpu")
sys.exit(command_line._guarded(
    lambda: len(sweep(slow_square, [0, 1, 2, 3], work, int(sys.argv[2]), Console(quiet=True))),
    "logs",
))
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_ends_every_process_and_the_next_start_continues(tmp_path, jobs):
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path), str(jobs)]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    how |= {"cwd": Path(__file__).parents[2], "start_new_session": True}
    process = subprocess.Popen(command, **how)
    killer = threading.Timer(200, process.kill)
    killer.start()
    while process.poll() is None and not (
        len(computed(tmp_path)) == 2 and (tmp_path / "waiting").exists()
    ):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # like a terminal, to every process of the group
    out, err = process.communicate()
    killer.cancel()

    assert process.returncode == 130
    assert out == ""
    assert err == "\nInterrupted. What is done is in logs; the same command continues from there.\n"
    assert sorted(computed(tmp_path)) == [0, 1]
    assert results(slow_square, [0, 1], tmp_path) == [0, 1]
    assert len(computed(tmp_path)) == 2
