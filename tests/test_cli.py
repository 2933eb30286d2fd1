"""The command `vg-keras`: what it prints, and its exit status."""

import json
import math
import subprocess
import sys

import pytest
from handmade_logs import record_of, write_log

import vg_keras
from vg_keras.cli import main

HEALTHY, SICK = record_of(0), record_of(5, [1.0, math.nan])


@pytest.fixture
def logs(tmp_path):
    """A directory with two logs: `sick`, with a run of two records, and `well`."""
    write_log(tmp_path / "sick" / "gradients", [HEALTHY, SICK])
    write_log(tmp_path / "well" / "gradients", [HEALTHY])
    return tmp_path


def run(capsys, *arguments):
    """Runs the command; returns its exit status, its output and its error output."""
    status = main([str(argument) for argument in arguments])
    return (status, *capsys.readouterr())


def test_a_problem_is_printed_with_its_advice(logs, capsys):
    status, out, err = run(capsys, "diagnose", logs / "sick")

    assert (status, err) == (1, "")
    assert out == (
        f"{logs}/sick, 20261126-120000-abcd, model 'small':\n"
        "1 problem found in 2 records, steps 0 to 5.\n"
        "VG301 non-finite, step 5: 1 of 2 values of the gradient of dense/kernel are NaN or "
        "infinite: the first place in the order of computation.\n"
        "  Try: Check the data for NaN and infinity, and the loss for a logarithm, a division or a "
        "square root of zero.\n"
        "  Try: Lower the learning rate by a factor of ten, and to no more than 0.01.\n"
        "  Try: Clip the gradient: `clipnorm=1.0` in the optimizer.\n"
        "  Try: Scale inputs and targets to about 1.\n"
        "  More: https://github.com/vg-keras/vg_keras/blob/main/docs/rules/VG301.md\n"
    )


def test_a_healthy_run_is_told_so(logs, capsys):
    status, out, _ = run(capsys, "diagnose", logs / "well")

    assert status == 0
    assert out.endswith("model 'small':\nNo problem found in 1 record, step 0.\n")


def test_all_logs_below_a_directory_are_examined(logs, capsys):
    status, out, _ = run(capsys, "diagnose", logs)

    assert status == 1
    assert [line.split(",")[0] for line in out.split("\n") if "model" in line] == [
        f"{logs}/sick",
        f"{logs}/well",
    ]


def test_json_has_a_versioned_schema(logs, capsys):
    status, out, _ = run(capsys, "diagnose", logs / "sick", "--format", "json")
    found = json.loads(out)
    (training,) = found["trainings"]
    (diagnosis,) = training.pop("diagnoses")

    assert status == 1
    assert found["schema"] == 1
    assert training == {
        "log": f"{logs}/sick",
        "training": "20261126-120000-abcd",
        "model": "small",
        "damage": [],
        "num_records": 2,
        "first_step": 0,
        "last_step": 5,
        "first_to_last": None,
        "not_applied": [],
    }
    assert (diagnosis["code"], diagnosis["first_step"], diagnosis["paths"]) == (
        "VG301",
        5,
        ["dense/kernel"],
    )


def test_github_gets_annotations(logs, capsys):
    status, out, _ = run(capsys, "diagnose", logs / "sick", "--format", "github")
    title, message = out.rstrip("\n").removeprefix("::error title=").split("::")

    assert status == 1
    assert title == f"VG301 non-finite in {logs}/sick"
    assert message.startswith("VG301 non-finite, step 5: ")
    assert "%0A  Try: " in message


def test_what_github_would_misread_is_escaped(tmp_path, capsys):
    log = tmp_path / "50%, a: b"
    write_log(log / "gradients", [SICK])
    _, out, _ = run(capsys, "diagnose", log, "--format", "github")

    assert out.startswith(f"::error title=VG301 non-finite in {tmp_path}/50%25%2C a%3A b::")
    assert len(out.split("\n")) == 2


def test_a_silenced_rule_does_not_count(logs, capsys):
    assert run(capsys, "diagnose", logs / "sick", "--ignore", "VG301:dense/*")[0] == 0


@pytest.mark.parametrize(("severity", "status"), [("error", 0), ("warning", 1)])
def test_only_the_chosen_severity_counts(tmp_path, capsys, severity, status):
    without = [
        vg_keras.Record(step, 1.0, {}, without_gradient=("dense/kernel",)) for step in range(2)
    ]
    write_log(tmp_path / "gradients", without)
    found, out, _ = run(capsys, "diagnose", tmp_path, "--severity", severity)

    assert found == status
    assert "VG501 no-gradient" in out


def test_damage_is_told(logs, capsys):
    (file,) = (logs / "well" / "gradients").iterdir()
    file.write_bytes(file.read_bytes() + bytes(30))
    _, out, _ = run(capsys, "diagnose", logs / "well")

    assert "\nDamaged: events.out.tfevents.1.host: " in out


def test_a_directory_without_a_log_is_one_line(tmp_path, capsys):
    status, out, err = run(capsys, "diagnose", tmp_path)

    assert (status, out) == (2, "")
    assert err.startswith("vg-keras: Expected a log directory of GradientMonitor. Received: ")
    assert err.count("\n") == 1


def test_an_unknown_rule_is_one_line(logs, capsys):
    status, _, err = run(capsys, "diagnose", logs, "--ignore", "VG9")

    assert status == 2
    assert err.startswith("vg-keras: `ignore` must name rules: VG101, ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["diagnose"], ["diagnose", "x", "--form", "json"]])
def test_wrong_arguments_are_a_usage_error(arguments, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)

    assert capsys.readouterr().err.startswith("usage: vg-keras")


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--version"])

    assert capsys.readouterr().out == f"{vg_keras.__version__}\n"


def test_the_module_is_the_same_command_and_imports_no_tensorflow(logs):
    code = (
        "import sys; sys.argv[0] = 'vg-keras'; from vg_keras.cli import main; status = main();"
        "assert not {'tensorflow', 'keras'} & set(sys.modules); sys.exit(status)"
    )
    arguments = ["diagnose", str(logs)]
    as_module = subprocess.run(
        [sys.executable, "-m", "vg_keras", *arguments], capture_output=True, text=True, check=False
    )
    as_code = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )

    assert as_code.returncode == as_module.returncode == 1, as_code.stderr
    assert as_code.stdout == as_module.stdout != ""
