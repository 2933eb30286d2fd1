"""What TensorBoard shows by default of a deep network, from `fit` to the tags on disk."""

import io

import numpy as np
import pytest
from event_files import PAYLOADS, accumulated, tags_in
from PIL import Image
from reference import weights_of
from small_models import compiled, fit, mlp, regression_data
from tensorboard.util import tensor_util

from vg_keras import GradientMonitor, read_run
from vg_keras.log import flow_charts

pytestmark = pytest.mark.usefixtures("graphs_as_traced")


def deep(activation="sigmoid"):
    """A network of eight layers with 16 variables."""
    return compiled(mlp(depth=7, activation=activation))


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """The log of five steps of a sigmoid network, all recorded."""
    log_dir = tmp_path_factory.mktemp("logs")
    fit(deep(), *regression_data(5), [GradientMonitor(log_dir, "batch")])
    return log_dir


def test_a_network_of_eight_layers_has_at_most_forty_tags_in_four_groups(log):
    tags = tags_in(log)
    groups = {tag.partition("/")[0] for tag in tags - PAYLOADS}

    assert len(tags) <= 40
    assert groups == {
        "1_gradient_flow",
        "2_log10_activation_gradient_norm",
        "3_log10_update_ratio",
        "4_log10_gradients",
    }


def test_sorting_the_tags_puts_the_answer_first_and_the_layers_in_order(log):
    tags = sorted(tags_in(log) - PAYLOADS)

    assert tags == [
        "1_gradient_flow/by_layer",
        "1_gradient_flow/decades_lost",
        "1_gradient_flow/diagnoses",
        *(f"2_log10_activation_gradient_norm/{i:02}_dense" for i in range(1, 9)),
        *(f"3_log10_update_ratio/{i:02}_dense/kernel" for i in range(1, 9)),
        *(f"4_log10_gradients/{i:02}_dense/kernel" for i in range(1, 9)),
    ]


def test_the_opening_charts_say_what_the_records_say(log):
    run, accumulator = read_run(log), accumulated(log)
    first, last = (f"sequential/dense{suffix}" for suffix in ("", "_6"))
    expected = [
        np.log10(record.activation_gradients[last].norm / record.activation_gradients[first].norm)
        for record in run.latest.records
    ]
    decades = accumulator.Tensors("1_gradient_flow/decades_lost")
    (text,) = accumulator.Tensors("1_gradient_flow/diagnoses")[-1].tensor_proto.string_val

    assert len(expected) == 5
    assert min(expected) > 3
    assert [tensor_util.make_ndarray(e.tensor_proto) for e in decades] == pytest.approx(expected)
    assert text.decode().startswith("**VG101 vanishing-gradient** (error), steps 0 to 4: ")


def test_the_picture_has_a_row_for_each_layer(log):
    (event,) = accumulated(log).Tensors("1_gradient_flow/by_layer")
    picture = np.asarray(Image.open(io.BytesIO(event.tensor_proto.string_val[2])).convert("RGB"))
    column = picture[:, picture.shape[1] // 2].astype(int)
    colors, counts = np.unique(column, axis=0, return_counts=True)
    is_row = (counts >= 20) & (np.ptp(colors, axis=1) > 30)  # neither text nor background

    assert is_row.sum() == 8


def test_an_image_that_cannot_be_drawn_warns_once_and_changes_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no font")

    plain = deep()
    fit(plain, *regression_data(3))
    monkeypatch.setattr(flow_charts, "flow_image", fail)
    monitored, monitor = deep(), GradientMonitor(tmp_path, "batch")
    with pytest.warns(UserWarning, match="could not draw the image") as caught:
        fit(monitored, *regression_data(3), [monitor])

    assert len(caught) == 1
    assert weights_of(monitored) == weights_of(plain)
    assert [record.step for record in read_run(tmp_path).latest.records] == [0, 1, 2]
    assert "1_gradient_flow/by_layer" not in tags_in(tmp_path)
    assert "1_gradient_flow/diagnoses" in tags_in(tmp_path)


def test_without_a_log_nothing_is_drawn(monkeypatch):
    monkeypatch.setattr(flow_charts, "flow_image", lambda *_: pytest.fail("was drawn"))
    monitor = GradientMonitor(None, "batch")
    fit(deep(), *regression_data(3), [monitor])

    assert len(monitor.records) == 3


def test_a_long_log_has_few_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(flow_charts, "BUDGET", 1e9)
    fit(deep("relu"), *regression_data(30), [GradientMonitor(tmp_path, "batch")])
    steps = [event.step for event in accumulated(tmp_path).Tensors("1_gradient_flow/by_layer")]

    assert steps == [0, 2, 8, 26, 29]
