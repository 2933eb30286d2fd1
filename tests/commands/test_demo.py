"""The command `vg-keras demo`: it writes a sick and a healthy log, and says how to look at them."""

import pytest
from command_line import run

from vg_keras import read_run
from vg_keras.commands.demo import RUNS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]


def test_one_run_is_sick_and_the_other_healthy(tmp_path, capsys):
    log_dir = tmp_path / "two words"
    status, out, _ = run(capsys, "demo", log_dir)
    verdicts = {name: read_run(log_dir / name).latest.verdict for name in RUNS}
    found = {name: [d.code for d in verdict.diagnoses] for name, verdict in verdicts.items()}

    assert status == 0
    assert found == {"sigmoid": ["VG101"], "relu": []}
    assert "VG101 vanishing-gradient: sigmoid/hidden_1" in out
    assert "No problem found. Its accuracy is 9" in out
    assert out.endswith(
        f"  tensorboard --logdir '{log_dir}'\n"
        f"  vg-keras show '{log_dir}'\n"
        f"  vg-keras diagnose '{log_dir}'\n"
    )
