"""Where the runs of an experiment are stored: the same command reuses them, others start over."""

from types import SimpleNamespace

import pytest
from rich.console import Console

from experiments import depth
from experiments.common import options, session
from experiments.common.errors import UsageError
from experiments.common.session import Session

SILENT = Console(quiet=True)


def folder(tmp_path, *arguments, device="CPU"):
    """The folder of an invocation of `depth` on the installed digits."""
    places = ["--data=subset", f"--log-dir={tmp_path}"]
    chosen = options.parser(depth).parse_args([*places, *arguments])
    return Session(depth, chosen, SILENT, device).folder


def test_the_same_command_finds_the_same_folder(tmp_path):
    first = folder(tmp_path)

    assert first.is_dir()
    assert first.parent == tmp_path / "depth"
    assert folder(tmp_path) == first


@pytest.mark.parametrize("argument", ["--jobs=3", "--quiet", "--output=elsewhere"])
def test_options_that_do_not_affect_results_keep_the_folder(tmp_path, argument):
    assert folder(tmp_path, argument) == folder(tmp_path)


@pytest.mark.parametrize("argument", ["--width=9", "--seed=1", "--limit=50", "--depths=2"])
def test_options_that_affect_results_change_the_folder(tmp_path, argument):
    assert folder(tmp_path, argument) != folder(tmp_path)


def test_another_device_changes_the_folder(tmp_path):
    assert folder(tmp_path, device="GPU (Stand-in)") != folder(tmp_path)


def test_changed_code_changes_the_folder(tmp_path, monkeypatch):
    before = folder(tmp_path)
    copy = tmp_path / "depth.py"
    copy.write_text("# another experiment\n")
    monkeypatch.setattr(depth, "__file__", str(copy))

    assert folder(tmp_path) != before


def test_fresh_empties_the_folder(tmp_path):
    (folder(tmp_path) / "left").write_text("from before")

    assert list(folder(tmp_path, "--fresh").iterdir()) == []


def test_a_folder_that_cannot_be_removed_raises(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied")

    folder(tmp_path)
    monkeypatch.setattr(session.shutil, "rmtree", refused)
    with pytest.raises(UsageError, match="can't be removed: Permission denied"):
        folder(tmp_path, "--fresh")


def test_an_experiment_without_digits_has_no_data(tmp_path):
    chosen = SimpleNamespace(log_dir=str(tmp_path), fresh=False)
    found = Session(depth, chosen, SILENT, "CPU")

    assert found.data is None
    assert found.folder.is_dir()
    with pytest.raises(TypeError, match="no option --data"):
        _ = found.digits
