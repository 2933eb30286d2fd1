"""The command `vg-keras show`: bars for people, and JSON."""

import json
import math

import pytest
from command_line import run
from handmade_logs import write_log
from scripted_records import layer, model_of, sketch_of, training_of

from vg_keras.log.writer import RecordWriter
from vg_keras.record import Record
from vg_keras.rules import Diagnosis, Verdict

MODEL = model_of(*(layer(name, "kernel", output_shape=(None, 3)) for name in "abcd"))


def record_at(step, **values):
    gradients = {name: sketch_of([value, -value]) for name, value in values.items()}
    return Record(step, 1.0, {}, activation_gradients=gradients)


FIRST = record_at(0, a=1.1e-6, b=1e-3, c=0.9)
LAST = record_at(7, a=0.0, b=math.nan, c=0.9)


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    write_log(tmp_path / "gradients", [FIRST, LAST], training_of(model=MODEL))
    return tmp_path


def test_a_step_is_drawn_to_scale(log, capsys):
    status, out, err = run(capsys, "show", log, "--step", 6)
    rows = {line.split()[0]: line.rstrip() for line in out.splitlines() if line.startswith("0")}
    values = [rows[name].split()[-1] for name in ("01_a", "02_b", "03_c", "04_d")]
    lengths = [rows[name].count("█") for name in ("01_a", "02_b", "03_c", "04_d")]

    assert (status, err) == (0, "")
    assert "20261126-120000-abcd, step 0\n" in out
    assert "activation gradients, RMS (loss per unit of the output)\n" in out
    assert "1e-6 " in out
    assert values == ["1.1e-06", "0.001", "0.9", "recorded"]
    assert lengths[1] == pytest.approx(lengths[2] / 2, abs=1)
    assert lengths[0] <= 1
    assert lengths[3] == 0


def test_what_is_no_number_is_said_in_words(log, capsys):
    _, out, _ = run(capsys, "show", log)
    rows = {line.split()[0]: line.rstrip() for line in out.splitlines() if line.startswith("0")}

    assert "step 7" in out
    assert rows["01_a"].endswith("exactly 0")
    assert rows["02_b"].endswith("NaN or infinite")


def test_json_has_a_versioned_schema(log, capsys):
    status, out, _ = run(capsys, "show", log, "--format", "json")

    assert status == 0
    assert json.loads(out) == {
        "schema": 1,
        "quantity": "activation_gradients",
        "unit": "loss per unit of the output",
        "trainings": [
            {
                "log": str(log),
                "training": "20261126-120000-abcd",
                "model": "small",
                "step": 7,
                "layers": [
                    {"path": "a", "value": 0.0, "state": "finite"},
                    {"path": "b", "value": None, "state": "NaN or infinite"},
                    {"path": "c", "value": pytest.approx(0.9), "state": "finite"},
                    {"path": "d", "value": None, "state": "not recorded"},
                ],
                "notes": [],
            }
        ],
    }


def test_all_logs_below_a_directory_share_one_axis(log, capsys):
    write_log(log / "other" / "gradients", [record_at(0, a=1.1e-9)], training_of(model=MODEL))
    _, out, _ = run(capsys, "show", log, "--step", 0)

    assert out.count("activation gradients, RMS") == 2
    assert out.count("1e-9") == 2


def test_layers_of_a_diagnosis_are_red_on_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    verdict = Verdict((Diagnosis("VG101", "v", "error", "", ("b/kernel",), 0, 0, {}, ()),))
    writer = RecordWriter(str(tmp_path / "gradients"), ())
    writer.write(FIRST, training_of(model=MODEL), verdict=lambda: verdict)
    writer.close()
    _, out, _ = run(capsys, "show", tmp_path)
    lines = {name: next(line for line in out.splitlines() if name in line) for name in ("_a", "_b")}

    assert "\x1b[31m" in lines["_b"]
    assert "\x1b[31m" not in lines["_a"]


def test_a_quantity_or_step_without_a_record_is_one_line(log, capsys):
    status, _, err = run(capsys, "show", log, "--quantity", "dead_units", "--step", 3)
    before = run(capsys, "show", log, "--step", -1)

    assert status == before[0] == 2
    assert err == (
        f"vg-keras: No record in {log} at step 3 or before has dead units, fraction. "
        "Recorded: activation_gradients, activation_gradient_norm.\n"
    )


def test_without_outputs_the_gradients_of_kernels_are_shown(tmp_path, capsys):
    record = Record(0, 1.0, {"a/kernel": sketch_of([0.5])})
    write_log(tmp_path / "gradients", [record], training_of(model=MODEL))
    status, out, _ = run(capsys, "show", tmp_path)

    assert status == 0
    assert "gradients, RMS (loss per unit of the variable)\n" in out


def test_one_training_run_of_a_log_can_be_chosen(log, capsys):
    described = training_of(model=MODEL, id="second", began=2.0)
    write_log(log / "gradients", [LAST], described, name="tfevents.2")
    _, both, _ = run(capsys, "show", log)
    _, one, _ = run(capsys, "show", f"{log}@second")
    status, _, err = run(capsys, "show", f"{log}@third")
    before = run(capsys, "show", f"{log}@second", "--step", -1)

    assert before[2].startswith(f"vg-keras: No record in {log}@second at step -1 or before has ")
    assert both.count("activation gradients, RMS") == 2
    assert one.startswith(f"{log}, second, step 7\n")
    assert one.count("activation gradients, RMS") == 1
    assert status == 2
    assert err == (
        f"vg-keras: There is no training run 'third' in {log}. "
        "There are: 20261126-120000-abcd, second.\n"
    )


def test_a_training_run_without_the_quantity_is_not_passed_over(log, capsys):
    other = Record(0, 1.0, {"a/kernel": sketch_of([0.5])})
    write_log(log / "other" / "gradients", [other], training_of(model=MODEL))
    _, out, _ = run(capsys, "show", log, "--quantity", "activation_gradients")

    assert f"{log}/other, 20261126-120000-abcd, step 0\nNo record of activation gradients" in out


def test_a_log_without_a_training_run_is_skipped(log, capsys):
    (log / "empty" / "gradients").mkdir(parents=True)
    (log / "empty" / "gradients" / "events.out.tfevents.1.h").touch()
    status, out, err = run(capsys, "show", log)

    assert (status, out.count("activation gradients, RMS")) == (0, 1)
    assert err.endswith("empty. It is skipped.\n")


def test_bars_of_the_same_length_have_the_same_value(log, capsys):
    model = model_of(layer("a_longer_name", "kernel", output_shape=(None, 3)))
    other = record_at(0, a_longer_name=0.9)
    write_log(log / "other" / "gradients", [other], training_of(model=model))
    _, out, _ = run(capsys, "show", log)
    bars = [line.count("█") for line in out.splitlines() if " 0.9" in line]

    assert len(bars) == 2
    assert bars[0] == bars[1]


def test_an_id_can_not_control_a_terminal(tmp_path, capsys):
    write_log(tmp_path / "gradients", [LAST], training_of(model=MODEL, id="a\x1b[31m\nb"))
    _, out, _ = run(capsys, "show", tmp_path)
    _, diagnosed, _ = run(capsys, "diagnose", tmp_path)

    assert "\x1b" not in out + diagnosed
    assert out.splitlines()[0].endswith(r", a\x1b[31m\nb, step 7")


def test_damage_and_a_missing_end_are_told(tmp_path, capsys):
    writer = RecordWriter(str(tmp_path / "gradients"), ())
    writer.write(FIRST, training_of(model=MODEL), verdict=lambda: Verdict((), 1, 0, 0))
    writer.close()
    (file,) = (tmp_path / "gradients").iterdir()
    file.write_bytes(file.read_bytes() + bytes(30))
    _, out, _ = run(capsys, "show", tmp_path)

    assert (
        "\nThe log is incomplete: the training run is still in progress or was interrupted.\n"
        in out
    )
    assert "\nDamaged: events.out.tfevents" in out


@pytest.mark.parametrize("columns", ["10", "200"])
def test_no_number_is_cut_in_a_narrow_terminal(log, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    _, out, _ = run(capsys, "show", log)

    assert "NaN or infinite" in out
    assert "…" not in out


def test_names_can_not_control_a_terminal(tmp_path, capsys):
    name = "a\x1b[31m[bold]b"
    model = model_of(layer(name, "kernel", output_shape=(None, 3)))
    write_log(tmp_path / "gradients", [record_at(0, **{name: 1.0})], training_of(model=model))
    _, out, _ = run(capsys, "show", tmp_path)

    assert "\x1b" not in out
    assert r"01_a\x1b[31m[bold]b" in out
