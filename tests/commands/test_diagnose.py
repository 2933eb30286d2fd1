"""The command `vg-keras diagnose`: what it prints, and its exit status."""

import json
import math

import pytest
from command_line import run
from handmade_logs import framed, record_of, write_log
from scripted_records import layer, model_of, sketch_of, training_of

import vg_keras
from vg_keras.log.charts import record_event, training_event
from vg_keras.log.writer import RecordWriter
from vg_keras.rules import Verdict

HEALTHY, SICK = record_of(0), record_of(5, [1.0, math.nan])


@pytest.fixture
def logs(tmp_path):
    """A directory with two logs: `sick`, with a run of two records, and `well`."""
    write_log(tmp_path / "sick" / "gradients", [HEALTHY, SICK])
    write_log(tmp_path / "well" / "gradients", [HEALTHY])
    return tmp_path


def test_a_problem_is_printed_with_its_advice(logs, capsys):
    status, out, err = run(capsys, "diagnose", logs / "sick")

    assert (status, err) == (1, "")
    assert out == (
        f"{logs}/sick, 20261126-120000-abcd, model 'small':\n"
        "1 problem found in 2 records, steps 0 to 5.\n"
        "VG301 non-finite, step 5: 1 of 2 values of the gradient of dense/kernel are NaN or "
        "infinite: the first recorded place in the order of computation. It is the first layer, so "
        "check the data.\n"
        "  Try: Look for NaN and infinity in the arrays or the dataset that `fit` gets.\n"
        "  Try: Look at the preprocessing for a division by zero, such as a standard deviation of "
        "0.\n"
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
        "notes": [],
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


def test_one_training_run_of_a_log_can_be_chosen(logs, capsys):
    write_log(logs / "sick" / "gradients", [HEALTHY], training_of(id="second"), name="tfevents.2")
    both = run(capsys, "diagnose", logs / "sick")
    one = run(capsys, "diagnose", f"{logs}/sick@second")
    none = run(capsys, "diagnose", f"{logs}/sick@third")

    assert (both[0], both[1].count("model 'small'")) == (1, 2)
    assert (one[0], one[1].count("model 'small'")) == (0, 1)
    assert none[2] == (
        f"vg-keras: There is no training run 'third' in {logs}/sick. "
        "There are: 20261126-120000-abcd, second.\n"
    )


def test_a_log_without_a_training_run_is_skipped(logs, capsys):
    (logs / "empty" / "gradients").mkdir(parents=True)
    (logs / "empty" / "gradients" / "events.out.tfevents.1.h").touch()
    status, out, err = run(capsys, "diagnose", logs)
    alone = run(capsys, "diagnose", logs / "empty")

    assert (status, out.count("model 'small'")) == (1, 2)
    assert err == (
        f"vg-keras: There is no training run of GradientMonitor in {logs}/empty. It is skipped.\n"
    )
    assert alone[0] == 2


def test_without_a_problem_github_gets_nothing(logs, capsys):
    assert run(capsys, "diagnose", logs / "well", "--format", "github") == (0, "", "")


def test_a_missing_end_is_told(tmp_path, capsys):
    writer = RecordWriter(str(tmp_path / "gradients"), ())
    writer.write(HEALTHY, training_of(), verdict=lambda: Verdict((), 1, 0, 0))
    writer.close()
    _, out, _ = run(capsys, "diagnose", tmp_path)
    _, for_github, _ = run(capsys, "diagnose", tmp_path, "--format", "github")

    assert (
        "\nThe log is incomplete: the training run is still in progress or was interrupted.\n"
        in out
    )
    assert for_github.startswith(f"::warning::{tmp_path}: The log is incomplete: ")


def test_a_directory_can_not_control_a_terminal(tmp_path, capsys):
    log = tmp_path / "a\x1b[31mb"
    write_log(log / "gradients", [HEALTHY])
    _, out, _ = run(capsys, "diagnose", log)

    assert "\x1b" not in out
    assert r"a\x1b[31mb, 20261126-120000-abcd" in out


def test_a_directory_without_a_log_is_one_line(tmp_path, capsys):
    status, out, err = run(capsys, "diagnose", tmp_path)

    assert (status, out) == (2, "")
    assert err.startswith("vg-keras: Expected a log directory of GradientMonitor. Received: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("contents", [b"", b"no log at all"], ids=["empty", "other"])
def test_a_file_without_a_training_run_is_one_line(tmp_path, capsys, contents):
    file = tmp_path / "events.out.tfevents.1.host"
    file.write_bytes(contents)
    status, out, err = run(capsys, "diagnose", file)

    assert (status, out) == (2, "")
    assert err.startswith(f"vg-keras: There is no training run of GradientMonitor in {file}.")
    assert err.count("\n") == 1


def test_logs_below_a_log_are_examined_too(logs, capsys):
    write_log(logs / "gradients", [HEALTHY])
    status, out, _ = run(capsys, "diagnose", logs)

    assert status == 1
    assert out.count("model 'small':") == 3


def test_names_can_not_break_a_line_or_control_a_terminal(tmp_path, capsys):
    name = "a\n::error::\x1b[31mb"
    model = model_of(layer(name, "kernel"))
    record = vg_keras.Record(0, 1.0, {f"{name}/kernel": sketch_of([math.nan])})
    events = [training_event(training_of(model=model), 0, 1.0), record_event(record, model, ())]
    file = tmp_path / "events.out.tfevents.1.host"
    file.write_bytes(b"".join(framed(event.SerializeToString()) for event in events))
    _, out, _ = run(capsys, "diagnose", file)

    assert r"a\n::error::\x1b[31mb/kernel" in out
    assert "\x1b" not in out
    assert not any(line.startswith("::") for line in out.split("\n"))


def test_an_unknown_rule_is_one_line(logs, capsys):
    status, _, err = run(capsys, "diagnose", logs, "--ignore", "VG9")

    assert status == 2
    assert err.startswith("vg-keras: `ignore` must name rules: VG101, ")
    assert err.count("\n") == 1
