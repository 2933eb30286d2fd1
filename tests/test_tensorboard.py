"""What other readers make of a log: TensorBoard itself, through its HTTP API, and tbparse."""

import json
import time

import numpy as np
import pytest
from event_files import accumulated
from small_models import compiled, fit, mlp, regression_data
from tensorboard.util import tensor_util
from werkzeug.test import Client

from vg_keras import GradientMonitor

RUN = "gradients"
KERNEL = "sequential/dense/kernel"
PATHS = [KERNEL, "sequential/dense/bias", "sequential/dense_1/kernel", "sequential/dense_1/bias"]

# Warnings of TensorBoard itself and of the packages that it uses.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log directory and the monitor that wrote it: records of the steps 0, 2 and 4."""
    log_dir = tmp_path_factory.mktemp("logs")
    monitor = GradientMonitor(log_dir, 2)
    fit(compiled(mlp(depth=1)), *regression_data(5), [monitor])
    return log_dir, monitor


@pytest.fixture(scope="module", params=["false", "true"], ids=["slow loader", "fast loader"])
def get(log, request):
    """Returns a function that requests JSON from TensorBoard's web application, per loader."""
    # Imported only here, because its HTML sanitizer warns that it is deprecated.
    from tensorboard import default, program
    from tensorboard.backend import application
    from tensorboard.data import server_ingester

    if request.param == "true":
        try:
            server_ingester.get_server_binary()
        except server_ingester.NoDataServerError as error:
            pytest.skip(f"needs TensorBoard's fast loader: {error}")
    server = program.TensorBoard(plugins=default.get_plugins())
    # Loaded once: a thread that goes on would disturb tests that withdraw permissions.
    options = ["--reload_interval=0", f"--load_fast={request.param}"]
    server.configure(argv=["", "--logdir", str(log[0]), *options])
    data_provider, multiplexer = server._make_data_provider()
    app = application.TensorBoardWSGIApp(
        server.flags, server.plugin_loaders, data_provider, None, multiplexer
    )
    client = Client(app)

    def get_json(route, **query):
        response = client.get(route, query_string=query)
        assert response.status_code == 200, response.get_data(as_text=True)
        return json.loads(response.get_data(as_text=True))

    # Both load in the background. With the last tag of the last record, everything is loaded.
    for _ in range(600):
        runs = get_json("/data/plugin/scalars/tags")
        tags = [tag for tag in runs.get(RUN, []) if tag.startswith("update_ratio/")]
        path = "/data/plugin/scalars/scalars"
        if tags and len(get_json(path, run=RUN, tag=max(tags))) == 3:
            break
        time.sleep(0.05)
    return get_json


def norms(monitor, path=KERNEL):
    return [record.gradients[path].norm for record in monitor.records]


@pytest.mark.parametrize("plugin", ["scalars", "histograms", "distributions", "custom_scalars"])
def test_the_tabs_are_active(get, plugin):
    assert get("/data/plugins_listing")[plugin]["enabled"]


def test_there_is_one_run(get):
    assert get("/data/runs") == [RUN]


def test_the_scalars_tab_has_every_norm(get, log):
    tags = get("/data/plugin/scalars/tags")
    points = get("/data/plugin/scalars/scalars", run=RUN, tag=f"gradient_norm/{KERNEL}")

    kinds = {"gradient_norm", "update_ratio"}
    assert {tag for tag in tags[RUN] if tag.partition("/")[0] in kinds} == {
        f"{kind}/{path}" for kind in kinds for path in PATHS
    }
    assert [step for _, step, _ in points] == [0, 2, 4]
    assert [value for _, _, value in points] == pytest.approx(norms(log[1]), rel=1e-6)


@pytest.mark.parametrize("kind", ["gradients", "log10_gradients"])
def test_the_histograms_tab_has_every_histogram(get, kind):
    tags = get("/data/plugin/histograms/tags")
    points = get("/data/plugin/histograms/histograms", run=RUN, tag=f"{kind}/{KERNEL}")

    assert {tag for tag in tags[RUN] if tag.startswith(f"{kind}/")} == {
        f"{kind}/{path}" for path in PATHS
    }
    assert [step for _, step, _ in points] == [0, 2, 4]
    # A dead ReLU unit has gradients of zero, which have no logarithm.
    assert all(0 < sum(count for _, _, count in bars) <= 4 * 8 for _, _, bars in points)


def test_the_histograms_tab_shows_all_values_between_min_and_max(get, log):
    points = get("/data/plugin/histograms/histograms", run=RUN, tag=f"gradients/{KERNEL}")

    for (_, _, bars), record in zip(points, log[1].records, strict=True):
        sketch = record.gradients[KERNEL]
        assert sum(count for _, _, count in bars) == 32
        assert bars[0][0] == pytest.approx(sketch.min)
        assert bars[-1][1] == pytest.approx(sketch.max)


def test_the_distributions_tab_has_min_max_and_quantiles(get, log):
    tags = get("/data/plugin/distributions/tags")
    points = get("/data/plugin/distributions/distributions", run=RUN, tag=f"gradients/{KERNEL}")

    assert f"log10_gradients/{KERNEL}" in tags[RUN]
    assert [step for _, step, _ in points] == [0, 2, 4]
    for (_, _, quantiles), record in zip(points, log[1].records, strict=True):
        assert quantiles[0][1] == pytest.approx(record.gradients[KERNEL].min)
        assert quantiles[-1][1] == pytest.approx(record.gradients[KERNEL].max)


def test_the_custom_scalars_tab_groups_related_charts(get):
    layout = get("/data/plugin/custom_scalars/layout")

    def charts(kind, title):
        return [
            (f"{title}, every variable", [f"^{kind}/.*$"]),
            (f"{title}, every kernel", [f"^{kind}/(.*/)?kernel$"]),
            (f"{title}, every bias", [f"^{kind}/(.*/)?bias$"]),
        ]

    of_layers = [
        ("RMS of the activation gradient, every layer", ["^activation_gradient_rms/.*$"]),
        ("fraction of saturated units, every layer", ["^saturated_units/.*$"]),
        ("fraction of dead units, every layer", ["^dead_units/.*$"]),
    ]
    found = {
        category["title"]: [(c["title"], c["multiline"]["tag"]) for c in category["chart"]]
        for category in layout["category"]
    }
    assert found == {
        "Gradient flow": [
            ("global gradient norm", ["^global_gradient_norm$"]),
            *charts("gradient_norm", "gradient norm"),
            *of_layers,
        ],
        "Updates": charts("update_ratio", "update ratio"),
    }


@pytest.mark.parametrize(
    ("chart", "paths"),
    [(1, PATHS), (2, [p for p in PATHS if "kernel" in p]), (3, [p for p in PATHS if "bias" in p])],
)
def test_each_chart_of_the_custom_scalars_tab_finds_its_norms(get, log, chart, paths):
    layout = get("/data/plugin/custom_scalars/layout")
    (regex,) = layout["category"][0]["chart"][chart]["multiline"]["tag"]
    answer = get("/data/plugin/custom_scalars/scalars", run=RUN, tag=regex)

    assert answer["regex_valid"]
    found = answer["tag_to_events"]
    assert set(found) == {f"gradient_norm/{path}" for path in paths}
    for path in paths:
        values = [value for _, _, value in found[f"gradient_norm/{path}"]]
        assert values == pytest.approx(norms(log[1], path), rel=1e-6)


def test_the_event_accumulator_reads_every_step(log):
    log_dir, monitor = log
    accumulator = accumulated(log_dir)
    values = accumulator.Tensors(f"gradient_norm/{KERNEL}")
    histograms = accumulator.Tensors(f"gradients/{KERNEL}")

    assert [event.step for event in values] == [0, 2, 4]
    read = [float(tensor_util.make_ndarray(event.tensor_proto)) for event in values]
    assert read == pytest.approx(norms(monitor), rel=1e-6)
    assert [tensor_util.make_ndarray(e.tensor_proto)[:, 2].sum() for e in histograms] == [32] * 3


def test_each_chart_is_described(log):
    accumulator = accumulated(log[0])

    for kind in ("gradients", "log10_gradients", "gradient_norm"):
        metadata = accumulator.SummaryMetadata(f"{kind}/{KERNEL}")
        assert metadata.summary_description
        assert metadata.display_name == ""


def test_tbparse_reads_norms_and_histograms(log):
    from tbparse import SummaryReader

    log_dir, monitor = log
    # To tbparse, everything that TensorFlow 2 writes is a tensor.
    tensors = SummaryReader(str(log_dir / RUN)).tensors
    norm = tensors[tensors["tag"] == f"gradient_norm/{KERNEL}"]
    histograms = tensors[tensors["tag"] == f"gradients/{KERNEL}"]
    counts = [SummaryReader.tensor_to_histogram(v)["counts"] for v in histograms["value"]]

    assert norm["step"].tolist() == [0, 2, 4]
    assert norm["value"].tolist() == pytest.approx(norms(monitor), rel=1e-6)
    assert histograms["step"].tolist() == [0, 2, 4]
    assert [sum(c) for c in counts] == [32, 32, 32]


def test_a_nonfinite_gradient_has_a_nan_norm_and_bars_for_the_rest(tmp_path):
    x, y = regression_data(1)
    x[0, 0] = np.inf
    monitor = GradientMonitor(tmp_path)
    model = compiled(mlp(depth=0))
    fit(model, x, y, [monitor])
    accumulator = accumulated(tmp_path)

    sketch = monitor.records[0].gradients[KERNEL]
    (norm,) = accumulator.Tensors(f"gradient_norm/{KERNEL}")
    assert sketch.nonfinite == sketch.count == 8
    assert np.isnan(tensor_util.make_ndarray(norm.tensor_proto))
    assert f"gradients/{KERNEL}" not in accumulator.Tags()["tensors"]
