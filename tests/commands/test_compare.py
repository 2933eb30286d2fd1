"""The command `vg-keras compare`: its table, its figure, its JSON and its exit status."""

import dataclasses
import json
import math
import re

import pytest
from command_line import run
from handmade_logs import write_log
from logged_runs import record, training, write_two
from PIL import Image
from scripted_records import layer, model_of


@pytest.fixture(autouse=True)
def in_a_directory_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def rows_of(out):
    """The cells of each layer's row."""
    return [line.split() for line in out.splitlines() if line[:1] == "0"]


def test_layers_are_compared_at_a_step(tmp_path, capsys):
    status, out, err = run(capsys, "compare", *write_two(tmp_path), "--step", "3")

    assert (status, err) == (0, "")
    assert out.startswith("activation gradients, RMS (loss per unit of the output)\n")
    assert "healthy" in out
    assert "step 3" in out
    assert rows_of(out) == [
        ["01_a", "0.5", "1e-06", "2e-06"],
        ["02_b", "1", "0.001", "0.001"],
        ["03_c", "1", "1", "1"],
    ]
    assert out.endswith("\nWrote compare.png.\n")
    with Image.open("compare.png") as image:
        assert image.size == (1050, 600)


def test_what_is_no_magnitude_is_said_in_words(tmp_path, capsys):
    _, out, _ = run(capsys, "compare", *write_two(tmp_path))

    assert rows_of(out)[:2] == [
        ["01_a", "0.5", "0", "0"],
        ["02_b", "1", "NaN", "or", "infinite", "not", "finite"],
    ]


def test_a_layer_without_counterpart_is_named(tmp_path, capsys):
    healthy, _ = write_two(tmp_path)
    model = model_of(layer("net/z", "kernel", output_shape=(None, 3)))
    write_log(tmp_path / "z" / "gradients", [record(0, 1.0, model=model)], training(model))
    _, out, _ = run(capsys, "compare", healthy, "z")

    assert ["b", "1", "absent"] in [line.split() for line in out.splitlines()]
    assert "Layers with different names are matched by position." in out


def test_json_has_a_versioned_schema(tmp_path, capsys):
    healthy, sick = write_two(tmp_path)
    how = ("--quantity", "gradients", "-o", "c.svg", "--format", "json")
    status, out, _ = run(capsys, "compare", healthy, f"{sick}@20261127-2-bbbb", *how)
    found = json.loads(out)
    layers = found.pop("layers")

    assert status == 0
    assert (tmp_path / "c.svg").read_text().startswith("<?xml")
    assert found == {
        "schema": 1,
        "quantity": "gradients",
        "unit": "loss per unit of the variable",
        "figure": "c.svg",
        "trainings": [
            {
                "name": name,
                "log": str(log),
                "training": training_id,
                "model": "net",
                "step": 9,
                "notes": [],
            }
            for name, log, training_id in (
                ("healthy", healthy, "20261127-1-aaaa"),
                ("sick", sick, "20261127-2-bbbb"),
            )
        ],
        "is_matched_by_name": True,
    }
    assert layers == [
        {
            "names": ["01_a/kernel"] * 2,
            "values": [1.0, 0.0],
            "states": ["finite", "finite"],
            "ratio": 0.0,
        },
        {
            "names": ["02_b/kernel"] * 2,
            "values": [2.0, None],
            "states": ["finite", "NaN or infinite"],
            "ratio": None,
        },
        {
            "names": ["03_c/kernel"] * 2,
            "values": [2.0, 2.0],
            "states": ["finite", "finite"],
            "ratio": 1.0,
        },
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["healthy"], "`compare` needs 2 to 8 different runs. Received: healthy."),
        (["sick", "./sick"], "`compare` needs 2 to 8 different runs. Received: sick, ./sick."),
        (
            ["healthy", "sick", "--quantity", "weights"],
            "healthy has no record of weights, RMS. Recorded: ",
        ),
        (["healthy", "sick@x"], "There is no training run 'x' in sick. There is: 20261127-2-bbbb."),
        (["healthy", "sick", "--step=-1"], "There is no record in healthy at step -1 or before."),
        (
            ["healthy", "sick", "-o", "c.xyz"],
            "`--output` must end in .png, .svg or .pdf. Received: c.xyz.",
        ),
        (["healthy", "sic"], "Expected a log directory of GradientMonitor. Received: sic."),
    ],
)
def test_what_can_not_be_done_is_one_line(tmp_path, capsys, arguments, message):
    write_two(tmp_path)
    status, out, err = run(capsys, "compare", *arguments)

    assert (status, out) == (2, "")
    assert err.startswith(f"vg-keras: {message}")
    assert err.count("\n") == 1


def write_many(directory, number):
    for i in range(number):
        described = training(id=f"run-{i}")
        write_log(directory / f"log{i}" / "gradients", [record(0, 1e-9, 0.0, math.nan)], described)
    return [f"log{i}" for i in range(number)]


@pytest.mark.parametrize("columns", ["20", "80"])
def test_no_number_of_eight_training_runs_is_cut(tmp_path, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    status, out, _ = run(capsys, "compare", *write_many(tmp_path, 8))

    assert status == 0
    assert rows_of(out)[0] == ["01_a", *["1e-09"] * 8, "1"]
    assert out.count("NaN or infinite") == 8
    assert "…" not in out


def test_nine_training_runs_are_too_many(tmp_path, capsys):
    status, _, err = run(capsys, "compare", *write_many(tmp_path, 9))

    assert status == 2
    assert err.startswith("vg-keras: `compare` needs 2 to 8 different runs. Received: log0, log1, ")


def test_a_figure_that_can_not_be_written_does_not_cost_the_table(tmp_path, capsys):
    write_two(tmp_path)
    status, out, err = run(capsys, "compare", "healthy", "sick", "-o", "no/c.png")
    as_json = run(capsys, "compare", "healthy", "sick", "-o", "no/c.png", "--format", "json")

    assert json.loads(as_json[1])["figure"] is None
    assert status == 2
    assert len(rows_of(out)) == 3
    assert err == "vg-keras: no/c.png: No such file or directory\n"


def test_runs_of_one_log_have_their_place_in_it_as_a_name(tmp_path, capsys):
    for number in range(3):
        described = training(id=f"run-{number}", began=float(number))
        write_log(
            tmp_path / "log" / "gradients",
            [record(0, 1, 2, 3)],
            described,
            name=f"{number}.tfevents.1.h",
        )
    _, out, _ = run(capsys, "compare", "log", "log@run-0")

    assert re.findall(r"log #\d", out) == ["log #3", "log #1"]


def test_kernels_are_compared_if_a_training_run_has_no_outputs(tmp_path, capsys):
    healthy, _ = write_two(tmp_path)
    without = dataclasses.replace(record(0, 1, 2, 3), activation_gradients={})
    write_log(tmp_path / "without" / "gradients", [without], training())
    _, out, _ = run(capsys, "compare", healthy, "without")

    assert out.startswith("gradients, RMS (loss per unit of the variable)\n")


def test_damage_is_told(tmp_path, capsys):
    write_two(tmp_path)
    (file,) = (tmp_path / "sick" / "gradients").iterdir()
    file.write_bytes(file.read_bytes() + bytes(30))
    _, out, _ = run(capsys, "compare", "healthy", "sick")
    _, as_json, _ = run(capsys, "compare", "healthy", "sick", "--format", "json")

    assert "\nsick: Damaged: events.out.tfevents.1.host: " in out
    assert json.loads(as_json)["trainings"][1]["notes"][0].startswith("Damaged: ")


def test_names_can_not_control_a_terminal(tmp_path, capsys):
    name = "a\x1b[31m[bold]"
    model = model_of(layer(name, "kernel", output_shape=(None, 3)))
    write_log(tmp_path / "x" / "gradients", [record(0, 1.0, model=model)], training(model))
    write_log(tmp_path / "y" / "gradients", [record(0, 1.0, model=model)], training(model))
    _, out, _ = run(capsys, "compare", "x", "y")

    assert "\x1b" not in out
    assert r"01_a\x1b[31m[bold]" in out
