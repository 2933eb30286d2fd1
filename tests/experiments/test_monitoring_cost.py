"""The benchmark in a small form: that it measures every way, not how long any of them takes."""

import json

from experiments import monitoring_cost
from experiments.common import command_line


def test_it_times_every_way_relative_to_plain_fit(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(monitoring_cost, "STEPS", 2)
    monkeypatch.setattr(monitoring_cost, "TAPE_STEPS", 1)
    monkeypatch.setattr(monitoring_cost, "KERNEL_SIZE", 100)
    arguments = ["--rounds=2", f"--output={tmp_path}", f"--log-dir={tmp_path}"]
    status = command_line.main("monitoring_cost", [*monitoring_cost.SMALL, *arguments])
    results = json.loads((tmp_path / "results.json").read_text())["numbers"]

    assert status == 0
    assert list(results["kernel_ms"]) == ["without XLA", "with XLA"]
    assert [(row["network"], row["jit_compile"]) for row in results["time_per_step"]] == [
        ("1x4", False),
        ("1x4", True),
    ]
    for row in results["time_per_step"]:
        assert len(row["ratios"]) == 7
        assert all(len(r) == 2 and min(r) > 0 for r in row["ratios"].values())
    assert "GradientMonitor, every step" in capsys.readouterr().out


def test_the_other_networks_classify_ten_digits():
    found = monitoring_cost.networks(8, [128, 512], None)
    shapes = {network.name: network.make().output_shape for network in found}

    assert shapes == dict.fromkeys(["8x128", "8x512", "convnet", "transformer"], (None, 10))


def test_an_unknown_network_is_named(tmp_path, capsys):
    status = command_line.main(
        "monitoring_cost", ["--only", "resnet", "--rounds=1", f"--log-dir={tmp_path}"]
    )

    assert status == 2
    assert "Expected --only out of 8x128, 8x512, convnet, transformer." in capsys.readouterr().err
