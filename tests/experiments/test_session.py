"""Where the runs of an experiment are stored: the same command reuses them, others start over."""

import time

import pytest
from rich.console import Console

from experiments.common import catalogue, mnist, options, session

SILENT = Console(quiet=True)


@pytest.fixture
def folder(tmp_path):
    """Returns the folder of an invocation of `depth`."""

    def begin(*arguments, device="CPU", limit=100):
        options_of_run = ["--data=subset", f"--log-dir={tmp_path}", *arguments]
        chosen = options.experiment_parser("depth").parse_args(options_of_run)
        data = mnist.load_subset().limited(limit)
        return session.begin("depth", chosen, SILENT, device, data).work.folder

    return begin


def test_the_same_command_finds_the_same_folder(folder, tmp_path):
    first = folder()

    assert first.is_dir()
    assert first.parent == tmp_path / "depth"
    assert folder() == first


def test_the_name_of_a_folder_tells_the_time_and_what_was_chosen(folder, tmp_path):
    day = time.strftime("%Y-%m-%d_")
    name = folder("--width=9", "--depths", "1", "2", "--epochs=2", "--jobs=2").name

    assert name.startswith(day)
    assert name.partition(day)[2][9:] == "depths=1,2_width=9_epochs=2_data=subset"


@pytest.mark.parametrize("argument", ["--jobs=3", "--quiet", "--output={}"])
def test_options_that_do_not_affect_results_keep_the_folder(folder, tmp_path, argument):
    assert folder(argument.format(tmp_path / "elsewhere")) == folder()


def test_options_data_and_devices_that_affect_results_change_the_folder(folder):
    others = [folder(o) for o in ("--width=9", "--seed=1", "--limit=50", "--depths=2")]

    assert len({folder(), *others, folder(limit=9), folder(device="GPU (Stand-in)")}) == 7


def test_changed_code_changes_the_folder(folder, monkeypatch):
    before = folder()
    monkeypatch.setattr(session, "_code", lambda name: [("experiment.py", b"# another")])

    assert folder() != before


def test_the_code_is_that_of_the_runs_and_not_of_the_figure():
    paths = [path for path, _ in session._code("depth")]

    assert {"experiment.py", "mlp.py", "callback.py"} < set(paths)
    assert not {"figure.py", "expected.py", "pages.py"} & set(paths)
    assert len(paths) > len(list(catalogue.FOLDER.glob("common/*.py")))


def test_fresh_begins_a_new_folder_which_is_then_found(folder):
    before, fresh = folder(), folder("--fresh")

    assert fresh != before
    assert folder() == fresh
