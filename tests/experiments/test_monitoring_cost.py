"""The benchmark in a small form: that it measures every way, not how long any of them takes."""

import json

from experiments import monitoring_cost


def test_it_times_every_way_beside_plain_fit(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(monitoring_cost, "STEPS", 2)
    monkeypatch.setattr(monitoring_cost, "TAPE_STEPS", 1)
    monkeypatch.setattr(monitoring_cost, "KERNEL_SIZE", 100)
    status = monitoring_cost.main(
        ["--depth=1", "--widths", "4", "--rounds=2", f"--output={tmp_path}"]
    )
    results = json.loads((tmp_path / "results.json").read_text())

    assert status == 0
    assert list(results["kernel_ms"]) == ["without XLA", "with XLA"]
    assert [(row["width"], row["jit_compile"]) for row in results["time_per_step"]] == [
        (4, False),
        (4, True),
    ]
    for row in results["time_per_step"]:
        assert len(row["ratios"]) == 5
        assert all(len(r) == 2 and min(r) > 0 for r in row["ratios"].values())
    assert "GradientMonitor, every step" in capsys.readouterr().out
