"""The arguments of `vg-keras`, its help, and completion in a shell."""

import re
import sys

import pytest
from command_line import run

import vg_keras


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
    status, out, err = run(capsys, *arguments)

    assert (status, out) == (2, "")
    assert err.startswith("usage: vg-keras")


def test_the_version_is_printed(capsys):
    assert run(capsys, "--version") == (0, f"{vg_keras.__version__}\n", "")


def test_help_names_every_command(capsys):
    status, out, _ = run(capsys, "--help")

    assert status == 0
    assert all(command in out for command in ("diagnose", "show", "report", "compare", "demo"))
    assert "vg-keras report logs " in out


def test_a_shell_can_complete_commands_directories_and_files(capsys):
    status, out, _ = run(capsys, "--print-completion", "bash")
    commands = re.search(r"_shtab_vg_keras_subparsers=\((.*)\)", out)[1]

    assert status == 0
    assert commands.replace("'", "").split() == ["diagnose", "show", "report", "compare", "demo"]
    assert "_shtab_vg_keras_report_pos_0_COMPGEN=_shtab_compgen_dirs" in out
    assert "_shtab_vg_keras_demo_pos_0_COMPGEN=_shtab_compgen_dirs" in out
    assert "_shtab_vg_keras_report__o_COMPGEN=_shtab_compgen_files" in out


def test_completion_names_the_package_that_it_needs(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    status, _, err = run(capsys, "--print-completion", "zsh")

    assert status == 2
    assert err.endswith("Install it: pip install shtab\n")
