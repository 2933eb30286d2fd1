"""The command `vg-keras`: its exit status and what it says, whatever ends it."""

import subprocess
import sys

import pytest
from handmade_logs import record_of, write_log

from vg_keras.cli import main


def test_the_module_is_the_same_command_and_imports_no_tensorflow(tmp_path):
    write_log(tmp_path / "gradients", [record_of(0, [float("nan")])])
    code = (
        "import sys; sys.argv[0] = 'vg-keras'; from vg_keras.cli import main; status = main();"
        "assert not {'tensorflow', 'keras'} & set(sys.modules); sys.exit(status)"
    )
    arguments = ["diagnose", str(tmp_path)]
    as_module = subprocess.run(
        [sys.executable, "-m", "vg_keras", *arguments], capture_output=True, text=True, check=False
    )
    as_code = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )

    assert as_code.returncode == as_module.returncode == 1, as_code.stderr
    assert as_code.stdout == as_module.stdout != ""


@pytest.mark.parametrize("command", ["diagnose", "show", "report"])
def test_a_path_without_a_log_is_one_line(tmp_path, capsys, command):
    status = main([command, str(tmp_path)])
    out, err = capsys.readouterr()

    assert (status, out) == (2, "")
    assert err.startswith(
        f"vg-keras: Expected a log directory of GradientMonitor. Received: {tmp_path}"
    )
    assert err.count("\n") == 1


def test_a_reader_that_stops_reading_is_no_error(tmp_path):
    write_log(tmp_path / "gradients", [record_of(0)])
    command = f"{sys.executable} -m vg_keras show {tmp_path} --quantity gradients | true"
    process = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)

    assert process.stderr == ""


def test_ctrl_c_ends_a_command_without_a_traceback(tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("vg_keras.commands.show.read_records", interrupted)
    write_log(tmp_path / "gradients", [record_of(0)])

    assert main(["show", str(tmp_path)]) == 130
    assert capsys.readouterr() == ("", "")


def shell(command):
    """Runs a command line in a process of its own, with `$PROGRAM` for the program."""
    program = f"{sys.executable} -m vg_keras"
    return subprocess.run(
        ["bash", "-c", f"unset PYTHONUNBUFFERED; {command.replace('$PROGRAM', program)}"],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("values", "status"), [([1.0], 0), ([float("nan")], 1)])
def test_a_closed_output_leaves_the_exit_status(tmp_path, values, status):
    write_log(tmp_path / "gradients", [record_of(0, values)])
    found = shell(f"$PROGRAM diagnose {tmp_path} >&-")

    assert (found.returncode, found.stderr) == (status, "")


@pytest.mark.parametrize("arguments", ["--help", "--print-completion bash", "show LOG"])
def test_a_full_disk_is_one_line(tmp_path, arguments):
    write_log(tmp_path / "gradients", [record_of(0)])
    found = shell(f"$PROGRAM {arguments.replace('LOG', str(tmp_path))} >/dev/full")

    assert found.returncode == 2
    assert found.stderr == "vg-keras: No space left on device\n"


def test_an_output_without_the_characters_is_no_error(tmp_path):
    write_log(tmp_path / "gradients", [record_of(0)])
    found = shell(f"PYTHONIOENCODING=ascii $PROGRAM show {tmp_path}")

    assert (found.returncode, found.stderr) == (0, "")
    assert "?????" in found.stdout


def test_ctrl_c_while_importing_gives_no_traceback(monkeypatch, capsys):
    class Interrupted:
        def find_spec(self, name, path=None, target=None):
            if name == "vg_keras.commands.parser":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "vg_keras.commands.parser", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])

    assert main(["--version"]) == 130
    assert capsys.readouterr() == ("", "")


def test_an_error_can_not_control_a_terminal(capsys):
    assert main(["show", "a\x1b[31m\nb"]) == 2
    err = capsys.readouterr().err

    assert r"Received: a\x1b[31m\nb." in err
    assert err.count("\n") == 1


def test_an_error_that_can_not_be_printed_leaves_the_exit_status():
    assert shell("$PROGRAM diagnose nowhere 2>/dev/full").returncode == 2
    assert shell("$PROGRAM diagnose nowhere 2>&-").returncode == 2


def test_the_error_of_a_remote_file_system_is_one_line(monkeypatch, capsys):
    class OpError(Exception):
        pass

    def fail(*_):
        raise OpError("no such\nbucket")

    monkeypatch.setattr("vg_keras.cli.file_errors", lambda: (OpError,))
    monkeypatch.setattr("vg_keras.commands.show.logs_in", fail)

    assert main(["show", "s3://bucket"]) == 2
    assert capsys.readouterr().err == "vg-keras: no such\\nbucket\n"
