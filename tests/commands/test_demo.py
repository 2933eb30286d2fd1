"""The command `vg-keras demo`: it writes a sick and a healthy log, and says how to look at them."""

import json

import pytest
from command_line import run

from vg_keras import read_run
from vg_keras.commands import demo
from vg_keras.commands.demo import RUNS
from vg_keras.rules import Verdict

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]


def test_one_run_is_sick_and_the_other_healthy(tmp_path, capsys):
    log_dir = tmp_path / "two words"
    status, out, _ = run(capsys, "demo", log_dir)
    verdicts = {name: read_run(log_dir / name).latest.verdict for name in RUNS}
    found = {name: [d.code for d in verdict.diagnoses] for name, verdict in verdicts.items()}

    assert status == 0
    assert found == {"sigmoid": ["VG101"], "relu": []}
    assert "VG101 vanishing-gradient: sigmoid/hidden_1" in out
    assert "No problem found. Accuracy: 9" in out
    assert out.endswith(
        f"  tensorboard --logdir '{log_dir}'\n"
        f"  vg-keras diagnose '{log_dir}'\n"
        f"  vg-keras show '{log_dir}'\n"
        f"  vg-keras report '{log_dir}'\n"
        f"  vg-keras compare '{log_dir}/relu' '{log_dir}/sigmoid'\n"
    )


def test_json_has_a_versioned_schema(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "train", lambda activation, log_dir: (0.5, Verdict((), 3, 0, 9)))
    status, out, _ = run(capsys, "demo", tmp_path, "--format", "json")
    found = json.loads(out)

    assert status == 0
    assert found["schema"] == 1
    assert found["trainings"][0] == {
        "log": str(tmp_path / "sigmoid"),
        "meant": "sick",
        "accuracy": 0.5,
        "num_records": 3,
        "first_step": 0,
        "last_step": 9,
        "first_to_last": None,
        "diagnoses": [],
        "not_applied": [],
    }
    assert [one["meant"] for one in found["trainings"]] == ["sick", "healthy"]
