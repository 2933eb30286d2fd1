"""The command `vg-keras`: its arguments, and what it says if something can't be done."""

import re
import subprocess
import sys

import pytest
from handmade_logs import record_of, write_log

import vg_keras
from vg_keras.cli import main


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["diagnose"],
        ["diagnose", "x", "--form", "json"],
        ["show", "x", "--quantity", "loss"],
        ["report"],
        ["compare"],
    ],
)
def test_wrong_arguments_are_a_usage_error(arguments, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)

    assert capsys.readouterr().err.startswith("usage: vg-keras")


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--version"])

    assert capsys.readouterr().out == f"{vg_keras.__version__}\n"


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


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--help"])

    out = capsys.readouterr().out
    assert all(command in out for command in ("diagnose", "show", "report", "compare", "demo"))
    assert "vg-keras report logs " in out


@pytest.mark.parametrize("command", ["diagnose", "show", "report"])
def test_a_path_without_a_log_is_one_line(tmp_path, capsys, command):
    status = main([command, str(tmp_path)])
    out, err = capsys.readouterr()

    assert (status, out) == (2, "")
    assert err.startswith(
        f"vg-keras: Expected a log directory of GradientMonitor. Received: {tmp_path}"
    )
    assert err.count("\n") == 1


def test_a_shell_can_complete_commands_and_directories(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--print-completion", "bash"])
    out = capsys.readouterr().out

    commands = re.search(r"_shtab_vg_keras_subparsers=\((.*)\)", out)[1]
    assert commands.replace("'", "").split() == ["diagnose", "show", "report", "compare", "demo"]
    assert "_shtab_vg_keras_report_pos_0_COMPGEN=_shtab_compgen_dirs" in out


def test_completion_names_the_package_that_it_needs(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["--print-completion", "zsh"])

    assert capsys.readouterr().err.endswith("Install it: pip install shtab\n")


def test_a_reader_that_stops_reading_is_no_error(tmp_path):
    write_log(tmp_path / "gradients", [record_of(0)])
    command = f"{sys.executable} -m vg_keras show {tmp_path} --quantity gradients | true"
    process = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)

    assert process.stderr == ""


def test_ctrl_c_ends_a_command_without_a_traceback(tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("vg_keras.commands.show.stored_at", interrupted)
    write_log(tmp_path / "gradients", [record_of(0)])

    assert main(["show", str(tmp_path)]) == 130
    assert capsys.readouterr() == ("", "")
