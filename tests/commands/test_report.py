"""The command `vg-keras report`: what it writes, prints and returns."""

import json
import sys

import pytest
from command_line import run
from handmade_logs import write_log
from logged_runs import record, training, write_two

from vg_keras.commands import output


@pytest.fixture(autouse=True)
def in_a_directory_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_report_on_all_logs_below_a_directory_is_written(tmp_path, capsys):
    write_two(tmp_path / "logs")
    status, out, err = run(capsys, "report", "logs")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")

    assert (status, out, err) == (0, "Wrote report.html with 2 training runs.\n", "")
    assert text.startswith("<!doctype html>")
    assert "<h2>Layers of healthy</h2>" in text
    assert "<h2>Layers of sick</h2>" in text


def test_a_log_without_a_training_run_is_skipped(tmp_path, capsys):
    write_two(tmp_path / "logs")
    (tmp_path / "logs" / "empty" / "gradients").mkdir(parents=True)
    (tmp_path / "logs" / "empty" / "gradients" / "events.out.tfevents.1.h").touch()
    status, out, err = run(capsys, "report", "logs")

    assert (status, out) == (0, "Wrote report.html with 2 training runs.\n")
    assert err.endswith("in logs/empty. It is skipped.\n")


def test_json_has_a_versioned_schema(tmp_path, capsys):
    healthy, _ = write_two(tmp_path)
    status, out, _ = run(capsys, "report", healthy, "-o", "other.html", "--format", "json")

    assert status == 0
    assert (tmp_path / "other.html").exists()
    assert json.loads(out) == {
        "schema": 1,
        "report": "other.html",
        "trainings": [
            {
                "name": "healthy",
                "log": str(healthy),
                "training": "20261127-1-aaaa",
                "model": "net",
                "num_records": 10,
                "notes": [],
            }
        ],
        "left_out": 0,
    }


def test_of_many_training_runs_the_latest_are_taken(tmp_path, capsys):
    for number in range(9):
        described = training(id=f"run-{number}", began=float(-number))
        write_log(tmp_path / f"log{number}" / "gradients", [record(0, 1, 2, 3)], described)
    status, out, _ = run(capsys, "report", tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")

    assert status == 0
    assert out == "Wrote report.html with the latest 8 of 9 training runs.\n"
    assert "<p>The latest 8 of 9 training runs.</p>" in text
    assert "run-7" in text
    assert "run-8" not in text


def test_a_place_that_can_not_be_written_is_one_line(tmp_path, capsys):
    healthy, _ = write_two(tmp_path)
    status, _, err = run(capsys, "report", healthy, "--output", tmp_path / "no" / "report.html")

    assert status == 2
    assert err == f"vg-keras: {tmp_path}/no/report.html: No such file or directory\n"


def test_a_report_can_be_written_to_the_standard_output(tmp_path, capsys):
    healthy, _ = write_two(tmp_path)
    status, out, _ = run(capsys, "report", healthy, "-o", "-")

    assert status == 0
    assert out.startswith("<!doctype html>")
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x.pdf"], "`--output` must end in .html or .htm. Received: x.pdf."),
        (
            ["-o", "-", "--format", "json"],
            "`--format json` needs `-o FILE`. Received: -o -.",
        ),
    ],
)
def test_an_output_that_can_not_be_is_one_line(tmp_path, capsys, arguments, message):
    healthy, _ = write_two(tmp_path)

    assert run(capsys, "report", healthy, *arguments) == (2, "", f"vg-keras: {message}\n")
    assert not (tmp_path / "x.pdf").exists()


def test_progress_of_reading_and_examining_is_shown(tmp_path, capsys, monkeypatch):
    healthy, _ = write_two(tmp_path)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(output, "_WAIT", -1)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    _, _, err = run(capsys, "report", healthy)

    assert f"Reading {healthy}"[:30] in err
    assert f"Examining {healthy}"[:30] in err


def test_a_wrong_path_is_answered_with_the_logs_beside_it(tmp_path, capsys):
    write_two(tmp_path / "logs")
    status, _, err = run(capsys, "report", "logs/helthy")

    assert status == 2
    assert err.endswith(" Logs in logs: logs/healthy, logs/sick.\n")
    assert err.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("typed", "shown"), [("logs/", "logs/"), (".", None), ("../x", None), (".runs", ".runs")]
)
def test_the_title_names_the_log(tmp_path, capsys, monkeypatch, typed, shown):
    write_two(tmp_path / "x" / "logs")
    write_two(tmp_path / "x" / ".runs")
    monkeypatch.chdir(tmp_path / "x")
    run(capsys, "report", typed)
    text = (tmp_path / "x" / "report.html").read_text(encoding="utf-8")

    assert f"<title>Gradient report: {shown or tmp_path / 'x'}</title>" in text
