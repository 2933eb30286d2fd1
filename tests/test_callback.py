"""GradientMonitor, tested by the records it keeps and by what reaches the disk."""

import os
import pickle
from pathlib import Path

import pytest
from event_files import PAYLOADS, event_files, events_in, tags_in
from reference import weights_of
from scripted_records import all_contents
from small_models import CallAt, compiled, fit, light_monitor, mlp, regression_data

from vg_keras import GradientMonitor, Probe, read_run
from vg_keras.log.charts import KINDS

pytestmark = pytest.mark.usefixtures("graphs_as_traced")

PATHS = [
    "sequential/dense/kernel",
    "sequential/dense/bias",
    "sequential/dense_1/kernel",
    "sequential/dense_1/bias",
]


def trained(monitor, num_batches=3):
    fit(compiled(mlp(depth=1)), *regression_data(num_batches), [monitor])
    return monitor


NAMES = {
    "sequential/dense": "01_dense",
    "sequential/dense/kernel": "01_dense/kernel",
    "sequential/dense/bias": "01_dense/bias",
    "sequential/dense_1": "02_dense",
    "sequential/dense_1/kernel": "02_dense/kernel",
    "sequential/dense_1/bias": "02_dense/bias",
}


def all_tags(groups, paths=PATHS):
    return {f"{group}/{NAMES[path]}" for group in groups for path in paths}


LAYERS = ["sequential/dense", "sequential/dense_1"]
KERNELS = ["sequential/dense/kernel", "sequential/dense_1/kernel"]
# With one hidden layer there is no way to lose anything: no decades.
USUAL = {"1_gradient_flow/by_layer", "1_gradient_flow/diagnoses"}
USUAL |= all_tags(["2_log10_activation_gradient_norm"], LAYERS)
USUAL |= all_tags(["3_log10_update_ratio", "4_log10_gradients"], KERNELS)

OF_VARIABLES = ["gradients", "log10_gradients", "log10_gradient_norm", "log10_update_ratio"]
OF_LAYERS = [
    "activations",
    "activation_gradients",
    "log10_activation_gradients",
    "log10_activation_gradient_rms",
    "log10_activation_gradient_rms_per_example",
]
ALL = USUAL | all_tags(OF_VARIABLES) | all_tags(OF_LAYERS, LAYERS) | {"dead_units/01_dense"}
ALL |= {"log10_global_gradient_norm", "largest_gradients"}


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """A monitor that recorded every step and wrote the default charts, and its directory."""
    log_dir = tmp_path_factory.mktemp("usual")
    return trained(GradientMonitor(log_dir, "batch")), log_dir


@pytest.fixture(scope="module")
def without_charts(tmp_path_factory):
    """The same for a monitor without charts."""
    log_dir = tmp_path_factory.mktemp("without_charts")
    return trained(GradientMonitor(log_dir, "batch", charts=[])), log_dir


def test_every_chart_reaches_the_disk(usual):
    assert tags_in(usual[1]) == USUAL | PAYLOADS


def test_without_charts_no_chart_reaches_the_disk(without_charts):
    assert tags_in(without_charts[1]) == PAYLOADS


@pytest.mark.parametrize(
    ("charts", "expected"),
    [
        (["gradients"], all_tags(["gradients"])),
        (
            ("update_ratio", "gradient_norm"),
            all_tags(["log10_update_ratio", "log10_gradient_norm"]),
        ),
        ({"dead_units"}, {"dead_units/01_dense"}),
        (KINDS, ALL),
        ("all", ALL),
    ],
)
def test_only_the_requested_charts_reach_the_disk(tmp_path, charts, expected):
    trained(GradientMonitor(tmp_path, "batch", charts=charts))

    assert tags_in(tmp_path) == expected | PAYLOADS


def test_without_charts_the_records_are_still_written(without_charts):
    monitor, log_dir = without_charts

    assert all_contents(read_run(log_dir).latest.records) == all_contents(monitor.records)


@pytest.mark.parametrize(
    ("activations", "expected"),
    [
        (True, LAYERS),
        (None, LAYERS),
        (False, []),
        ("*_1", LAYERS[1:]),
        (["*/dense", "x"], LAYERS[:1]),
        (lambda layer: layer.units == 2, LAYERS[1:]),
    ],
)
def test_layers_can_be_selected(tmp_path, activations, expected):
    monitor = trained(GradientMonitor(tmp_path, "batch", activations=activations))
    record = monitor.records[-1]

    assert [list(record.activations), list(record.activation_gradients)] == [expected] * 2
    assert list(record.gradients) == PATHS
    group = "2_log10_activation_gradient_norm"
    norms = [tag for tag in tags_in(tmp_path) if tag.startswith(f"{group}/")]
    assert len(norms) == len(expected)


def test_without_updates_update_norms_are_left_out(tmp_path):
    monitor = trained(GradientMonitor(tmp_path, "batch", updates=False))

    assert [dict(r.update_norms) | dict(r.weight_norms) for r in monitor.records] == [{}, {}, {}]
    assert tags_in(tmp_path) == USUAL - all_tags(["3_log10_update_ratio"]) | PAYLOADS


def test_weights_are_recorded_on_request(tmp_path):
    monitor = trained(GradientMonitor(tmp_path, "batch", weights=True, charts="all"))

    assert [list(record.weights) for record in monitor.records] == [PATHS] * 3
    assert [s.norm for s in monitor.records[1].weights.values()] == pytest.approx(
        list(monitor.records[1].weight_norms.values()), rel=1e-6
    )
    assert tags_in(tmp_path) == ALL | all_tags(["weights"]) | PAYLOADS


def test_a_probe_has_its_own_run(tmp_path):
    x, y = regression_data(1)
    monitor = trained(GradientMonitor(tmp_path, "batch", probe=Probe(x, y, name="fixed")))
    run = read_run(tmp_path / "fixed")

    assert [record.step for record in run.latest.records] == [0, 1, 2]
    assert all_contents(run.latest.records) == all_contents(monitor.probe_records)
    assert all_contents(read_run(tmp_path).latest.records) == all_contents(monitor.records)
    expected = USUAL - all_tags(["3_log10_update_ratio"]) | PAYLOADS - {"vg_keras/cost"}
    assert tags_in(tmp_path / "fixed") == expected


def test_without_a_probe_there_are_no_probe_records(usual):
    assert usual[0].probe_records == []


def test_records_are_reset_for_another_model():
    monitor = GradientMonitor(None, "batch", probe=regression_data(1))
    trained(monitor, 3)
    trained(monitor, 2)

    assert [record.step for record in monitor.records] == [0, 1]
    assert [record.step for record in monitor.probe_records] == [0, 1]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (None, PATHS),
        ("*/kernel", [PATHS[0], PATHS[2]]),
        ("sequential/dense/*", PATHS[:2]),
        (["*dense_1/kernel", "*dense/bias"], [PATHS[1], PATHS[2]]),
        (("*/bias",), [PATHS[1], PATHS[3]]),
        (lambda variable: len(variable.shape) == 2, [PATHS[0], PATHS[2]]),
    ],
)
def test_variables_can_be_selected(tmp_path, variables, expected):
    monitor = trained(light_monitor(tmp_path, "batch", variables, charts=["gradient_norm"]))

    assert list(monitor.records[0].gradients) == expected
    assert tags_in(tmp_path) == all_tags(["log10_gradient_norm"], expected) | PAYLOADS


OF_STEP_OR_END = {"vg_keras/record", "vg_keras/verdict", "vg_keras/cost"}
OF_RUN = {"1_gradient_flow/by_layer", "1_gradient_flow/diagnoses"}


def test_each_recorded_step_is_one_event_with_all_its_values(usual):
    events = events_in(usual[1])
    verdicts = [e for e in events if [v.tag for v in e.summary.value] == ["vg_keras/verdict"]]
    first, model, *records, cost, charts = [event for event in events if event not in verdicts]
    of_record = USUAL - OF_RUN | {"vg_keras/record"}

    assert first.file_version == "brain.Event:2"
    assert {value.tag for value in model.summary.value} == PAYLOADS - OF_STEP_OR_END
    assert {value.tag for value in cost.summary.value} == {"vg_keras/cost"}
    assert [event.step for event in records] == [0, 1, 2]
    assert [{value.tag for value in event.summary.value} for event in records] == [of_record] * 3
    assert {value.tag for value in charts.summary.value} == OF_RUN
    assert [event.step for event in verdicts] == [0, 2, 2]  # the first, the third, at the end


def _has(event, tag):
    return tag in [value.tag for value in event.summary.value]


def test_each_fit_has_its_own_file_in_one_run(tmp_path):
    model = compiled(mlp(depth=0))
    monitor = GradientMonitor(tmp_path, 2)
    for _ in range(3):
        fit(model, *regression_data(2), [monitor])

    files = event_files(tmp_path)
    assert [file.parent for file in files] == [tmp_path / "gradients"] * 3
    steps = [event.step for event in events_in(files[0].parent) if _has(event, "vg_keras/record")]
    assert steps == [0, 2, 4]


def test_the_log_dir_may_be_a_string_or_a_path(tmp_path):
    trained(GradientMonitor(str(tmp_path / "a")))
    trained(GradientMonitor(tmp_path / "b"))

    assert len(event_files(tmp_path / "a" / "gradients")) == 1
    assert len(event_files(tmp_path / "b" / "gradients")) == 1


def test_logs_go_to_logs_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained(GradientMonitor())

    assert [file.parent for file in event_files(tmp_path)] == [tmp_path / "logs" / "gradients"]


def test_without_a_log_dir_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monitor = trained(GradientMonitor(log_dir=None))

    assert list(tmp_path.iterdir()) == []
    assert len(monitor.records) == 3


def test_a_relative_log_dir_is_resolved_when_training_begins(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    move = CallAt("on_train_batch_end", lambda model: os.chdir(tmp_path / "elsewhere"))
    fit(compiled(mlp(depth=0)), *regression_data(3), [GradientMonitor("logs", "batch"), move])

    events = events_in(tmp_path / "logs")
    assert sum(_has(event, "vg_keras/record") for event in events) == 3


def test_creating_a_monitor_writes_nothing(tmp_path):
    GradientMonitor(tmp_path / "logs")

    assert list(tmp_path.iterdir()) == []


def test_the_file_is_closed_when_training_ends(tmp_path):
    trained(GradientMonitor(tmp_path))

    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("needs /proc")
    open_files = {str(d.readlink()) for d in descriptors.iterdir() if d.is_symlink()}
    assert not [file for file in open_files if str(tmp_path) in file]


def test_records_can_be_pickled(usual):
    monitor, _ = usual
    records = pickle.loads(pickle.dumps(monitor.records))

    assert [r.step for r in records] == [0, 1, 2]
    assert all_contents(records) == all_contents(monitor.records)


def test_the_second_of_two_monitors_warns_once_that_it_records_nothing():
    def trained_with(monitors):
        model = compiled(mlp(depth=0))
        fit(model, *regression_data(3), monitors)
        return weights_of(model)

    first, second = GradientMonitor(None, "batch"), GradientMonitor(None, "batch")
    with pytest.warns(UserWarning, match="Another GradientMonitor") as caught:
        weights = trained_with([first, second])

    (warning,) = caught
    assert str(warning.message) == (
        "Another GradientMonitor records a step of the model 'sequential', so this one does not. "
        "Pass one monitor to `fit`, or let them record at different steps."
    )
    assert [record.step for record in first.records] == [0, 1, 2]
    assert second.records == []
    assert weights == trained_with([])


def test_two_monitors_can_record_at_different_steps():
    first, second = GradientMonitor(None, 2), GradientMonitor(None, 3)
    with pytest.warns(UserWarning, match="Another GradientMonitor"):
        fit(compiled(mlp(depth=0)), *regression_data(6), [first, second])

    assert [record.step for record in first.records] == [0, 2, 4]
    assert [record.step for record in second.records] == [3]


def test_one_monitor_can_follow_another():
    model = compiled(mlp(depth=0))
    first, second = GradientMonitor(None, "batch"), GradientMonitor(None, "batch")
    fit(model, *regression_data(2), [first])
    fit(model, *regression_data(2), [second])

    assert [record.step for record in first.records] == [0, 1]
    assert [record.step for record in second.records] == [2, 3]
