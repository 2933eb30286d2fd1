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
NAME = "01_dense/kernel"
PATHS = {
    "01_dense/kernel": KERNEL,
    "01_dense/bias": "sequential/dense/bias",
    "02_dense/kernel": "sequential/dense_1/kernel",
    "02_dense/bias": "sequential/dense_1/bias",
}
"""The paths of the variables, by their names in charts."""

# Warnings of TensorBoard itself and of the packages that it uses.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log directory and the monitor that wrote it: records of the steps 0, 2 and 4."""
    log_dir = tmp_path_factory.mktemp("logs")
    monitor = GradientMonitor(log_dir, 2, charts="all")
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
        tags = [tag for tag in runs.get(RUN, []) if tag.startswith("log10_update_ratio/")]
        path = "/data/plugin/scalars/scalars"
        if tags and len(get_json(path, run=RUN, tag=max(tags))) == 3:
            break
        time.sleep(0.05)
    return get_json


def norms(monitor, path=KERNEL):
    return [record.gradients[path].norm for record in monitor.records]


TABS = ["scalars", "histograms", "distributions", "custom_scalars", "images", "text"]


@pytest.mark.parametrize("plugin", TABS)
def test_the_tabs_are_active(get, plugin):
    assert get("/data/plugins_listing")[plugin]["enabled"]


def test_there_is_one_run(get):
    assert get("/data/runs") == [RUN]


def test_the_scalars_tab_has_every_norm(get, log):
    tags = get("/data/plugin/scalars/tags")
    points = get("/data/plugin/scalars/scalars", run=RUN, tag=f"log10_gradient_norm/{NAME}")

    kinds = {"log10_gradient_norm", "log10_update_ratio"}
    assert {tag for tag in tags[RUN] if tag.partition("/")[0] in kinds} == {
        f"{kind}/{name}" for kind in kinds for name in PATHS
    }
    assert [step for _, step, _ in points] == [0, 2, 4]
    assert [10**value for _, _, value in points] == pytest.approx(norms(log[1]), rel=1e-5)


@pytest.mark.parametrize("kind", ["gradients", "log10_gradients"])
def test_the_histograms_tab_has_every_histogram(get, kind):
    tags = get("/data/plugin/histograms/tags")
    points = get("/data/plugin/histograms/histograms", run=RUN, tag=f"{kind}/{NAME}")

    assert {tag for tag in tags[RUN] if tag.startswith(f"{kind}/")} == {
        f"{kind}/{name}" for name in PATHS
    }
    assert [step for _, step, _ in points] == [0, 2, 4]
    # A dead ReLU unit has gradients of zero, which have no logarithm.
    assert all(0 < sum(count for _, _, count in bars) <= 4 * 8 for _, _, bars in points)


def test_the_histograms_tab_shows_all_values_between_min_and_max(get, log):
    points = get("/data/plugin/histograms/histograms", run=RUN, tag=f"gradients/{NAME}")

    for (_, _, bars), record in zip(points, log[1].records, strict=True):
        sketch = record.gradients[KERNEL]
        assert sum(count for _, _, count in bars) == 32
        assert bars[0][0] == pytest.approx(sketch.min)
        assert bars[-1][1] == pytest.approx(sketch.max)


def test_the_distributions_tab_has_min_max_and_quantiles(get, log):
    tags = get("/data/plugin/distributions/tags")
    points = get("/data/plugin/distributions/distributions", run=RUN, tag=f"gradients/{NAME}")

    assert f"log10_gradients/{NAME}" in tags[RUN]
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

    found = {
        category["title"]: [(c["title"], c["multiline"]["tag"]) for c in category["chart"]]
        for category in layout["category"]
    }
    assert found == {
        "Gradient flow": [
            (
                "decades lost from the last hidden layer to the first",
                ["^1_gradient_flow/decades_lost$"],
            ),
            (
                "log10 of the activation gradient, every layer",
                ["^2_log10_activation_gradient_norm/.*$"],
            ),
            ("log10 of the update ratio, every kernel", ["^3_log10_update_ratio/.*$"]),
            ("log10 of the global gradient norm", ["^log10_global_gradient_norm$"]),
            *charts("log10_gradient_norm", "log10 of the gradient norm"),
            *charts("log10_update_ratio", "log10 of the update ratio"),
            (
                "log10 of the RMS of the activation gradient, every layer",
                ["^log10_activation_gradient_rms/.*$"],
            ),
            ("fraction of saturated units, every layer", ["^saturated_units/.*$"]),
            ("fraction of dead units, every layer", ["^dead_units/.*$"]),
        ]
    }


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("every variable", list(PATHS)),
        ("every kernel", [name for name in PATHS if "kernel" in name]),
        ("every bias", [name for name in PATHS if "bias" in name]),
    ],
)
def test_each_chart_of_the_custom_scalars_tab_finds_its_norms(get, log, title, names):
    (category,) = get("/data/plugin/custom_scalars/layout")["category"]
    regex_of = {chart["title"]: chart["multiline"]["tag"] for chart in category["chart"]}
    (regex,) = regex_of[f"log10 of the gradient norm, {title}"]
    answer = get("/data/plugin/custom_scalars/scalars", run=RUN, tag=regex)

    assert answer["regex_valid"]
    found = answer["tag_to_events"]
    assert set(found) == {f"log10_gradient_norm/{name}" for name in names}
    for name in names:
        values = [10**value for _, _, value in found[f"log10_gradient_norm/{name}"]]
        assert values == pytest.approx(norms(log[1], PATHS[name]), rel=1e-5)


def test_the_images_tab_has_the_picture(get):
    tag = "1_gradient_flow/by_layer"
    (image,) = get("/data/plugin/images/images", run=RUN, tag=tag, sample=0)

    assert get("/data/plugin/images/tags")[RUN][tag]["samples"] == 1
    assert image["step"] == 4


def test_the_text_tab_has_the_verdict(get):
    (text,) = get("/data/plugin/text/text", run=RUN, tag="1_gradient_flow/diagnoses")

    assert (text["step"], "No problem found" in text["text"]) == (4, True)


def test_the_event_accumulator_reads_every_step(log):
    log_dir, monitor = log
    accumulator = accumulated(log_dir)
    values = accumulator.Tensors(f"log10_gradient_norm/{NAME}")
    histograms = accumulator.Tensors(f"gradients/{NAME}")

    assert [event.step for event in values] == [0, 2, 4]
    read = [10 ** float(tensor_util.make_ndarray(event.tensor_proto)) for event in values]
    assert read == pytest.approx(norms(monitor), rel=1e-5)
    assert [tensor_util.make_ndarray(e.tensor_proto)[:, 2].sum() for e in histograms] == [32] * 3


def test_each_chart_is_described(log):
    accumulator = accumulated(log[0])

    for kind in ("gradients", "log10_gradients", "log10_gradient_norm"):
        metadata = accumulator.SummaryMetadata(f"{kind}/{NAME}")
        assert metadata.summary_description
        assert metadata.display_name == ""


def test_tbparse_reads_norms_and_histograms(log):
    from tbparse import SummaryReader

    log_dir, monitor = log
    # To tbparse, everything that TensorFlow 2 writes is a tensor.
    tensors = SummaryReader(str(log_dir / RUN)).tensors
    norm = tensors[tensors["tag"] == f"log10_gradient_norm/{NAME}"]
    histograms = tensors[tensors["tag"] == f"gradients/{NAME}"]
    counts = [SummaryReader.tensor_to_histogram(v)["counts"] for v in histograms["value"]]

    assert norm["step"].tolist() == [0, 2, 4]
    assert [10**value for value in norm["value"]] == pytest.approx(norms(monitor), rel=1e-5)
    assert histograms["step"].tolist() == [0, 2, 4]
    assert [sum(c) for c in counts] == [32, 32, 32]


def test_a_nonfinite_gradient_has_a_nan_norm_and_bars_for_the_rest(tmp_path):
    x, y = regression_data(1)
    x[0, 0] = np.inf
    monitor = GradientMonitor(tmp_path, charts="all")
    model = compiled(mlp(depth=0))
    fit(model, x, y, [monitor])
    accumulator = accumulated(tmp_path)

    sketch = monitor.records[0].gradients[KERNEL]
    (norm,) = accumulator.Tensors(f"log10_gradient_norm/{NAME}")
    assert sketch.nonfinite == sketch.count == 8
    assert np.isnan(tensor_util.make_ndarray(norm.tensor_proto))
    assert f"gradients/{NAME}" not in accumulator.Tags()["tensors"]
