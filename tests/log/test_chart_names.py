"""Names in charts: equal for two models of the same layers, unique, in the order of the model."""

import keras
import pytest
from event_files import tags_in
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from scripted_records import model_of
from small_models import compiled, fit, mlp_of_next_name, regression_data

from vg_keras import GradientMonitor
from vg_keras.log.chart_names import chart_names
from vg_keras.record import LayerDescription, ModelDescription, VariableDescription


def layer(path, kind="Dense", *variables):
    described = tuple(VariableDescription(v, (2, 2), "float32") for v in variables)
    return LayerDescription(path, kind, None, described, (None, 2))


def names_of(*layers_, name="small"):
    return list(chart_names(ModelDescription(name, layers_)).values())


@pytest.mark.parametrize("first", [0, 1, 40])
def test_layers_with_keras_names_are_named_by_class_and_position(first):
    paths = ["dense" if not i else f"dense_{i}" for i in range(first, first + 3)]
    described = [layer(f"sequential_9/{p}", "Dense", f"sequential_9/{p}/kernel") for p in paths]

    assert names_of(*described, name="sequential_9") == [
        *("01_dense", "01_dense/kernel"),
        *("02_dense", "02_dense/kernel"),
        *("03_dense", "03_dense/kernel"),
    ]


@pytest.mark.parametrize(
    ("kind", "automatic"),
    [
        ("Conv2D", "conv2d_7"),
        ("BatchNormalization", "batch_normalization"),
        ("ReLU", "re_lu_1"),
        ("LSTM", "lstm_2"),
        ("GRUCell", "gru_cell_3"),
    ],
)
def test_the_counter_of_an_automatic_name_is_left_out(kind, automatic):
    assert keras.src.utils.naming.to_snake_case(kind) == automatic.rstrip("_0123456789")
    assert names_of(layer(automatic, kind)) == [f"01_{automatic.rstrip('_0123456789')}"]


def test_a_name_given_by_the_user_is_kept():
    assert names_of(layer("hidden_7"), layer("dense_b"), layer("net/output_1")) == [
        "01_hidden_7",
        "02_dense_b",
        "03_net/output_1",
    ]


def test_the_name_of_the_model_is_left_out_only_if_all_paths_have_it():
    within, beside = layer("net/a", "Dense", "net/a/kernel"), layer("b")

    assert names_of(within, name="net") == ["01_a", "01_a/kernel"]
    assert names_of(within, beside, name="net") == ["01_net/a", "01_net/a/kernel", "02_b"]


def test_blocks_are_counted_from_one():
    def blocks(*numbers):
        return [layer(f"block_{n}/dense_{2 * n}") for n in numbers]

    expected = ["01_block_1/dense", "02_block_2/dense"]
    assert names_of(*blocks(1, 2)) == expected
    assert names_of(*blocks(14, 15)) == expected
    assert names_of(layer("block/dense"), layer("block_1/dense_1")) == expected
    assert names_of(*blocks(3)) == ["01_block/dense"]


def test_the_position_has_as_many_digits_as_the_number_of_layers():
    names = names_of(*(layer(f"dense_{i}") for i in range(1, 151)))

    assert (names[0], names[9], names[149]) == ("001_dense", "010_dense", "150_dense")
    assert names == sorted(names)


def test_variables_that_share_a_name_stay_apart():
    described = layer("dense", "Dense", "elsewhere/kernel", "other/kernel")

    assert names_of(described) == ["01_dense", "01_dense/kernel", "01_dense/kernel_2"]


PARTS = st.sampled_from(["net", "net_1", "dense", "dense_1", "dense_2", "block", "block_1", "a"])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


@given(st.lists(st.tuples(PATHS, st.lists(PATHS, max_size=3)), max_size=6))
def test_all_names_differ_and_sort_in_the_order_of_the_layers(drawn):
    taken = set()

    def unique(path):
        while path in taken:
            path += "_1"
        taken.add(path)
        return path

    described = [
        layer(unique(path), "Dense", *(unique(f"{path}/{v}") for v in variables))
        for path, variables in drawn
    ]
    model = model_of(*described)
    names = chart_names(model)

    assert set(names) == {*model.outputs, *model.variables}
    assert len(set(names.values())) == len(names)
    of_layers = [names[path] for path in model.outputs]
    assert of_layers == sorted(of_layers)


class Block(layers.Layer):
    def __init__(self, **how):
        super().__init__(**how)
        self.dense, self.norm = layers.Dense(4), layers.LayerNormalization()

    def call(self, x):
        return self.norm(self.dense(x))


def described(model):
    monitor = GradientMonitor(None)
    fit(compiled(model), *regression_data(1), [monitor])
    return monitor.run.latest.model


def test_two_models_of_the_same_layers_have_the_same_names():
    def model():
        return keras.Sequential(
            [keras.Input([4]), Block(), Block(), layers.ReLU(), layers.Dense(2, name="scores")]
        )

    first, second = described(model()), described(model())

    assert first.outputs != second.outputs
    assert list(chart_names(first).values()) == list(chart_names(second).values())
    assert [chart_names(second)[path] for path in second.outputs] == [
        "01_block_1/dense",
        "02_block_1/layer_normalization",
        "03_block_2/dense",
        "04_block_2/layer_normalization",
        "05_re_lu",
        "06_scores",
    ]


def test_two_models_of_one_process_are_drawn_in_the_same_charts(tmp_path):
    for name in ("first", "second"):
        model = compiled(mlp_of_next_name(depth=2))
        fit(model, *regression_data(3), [GradientMonitor(tmp_path / name)])

    assert tags_in(tmp_path / "first") == tags_in(tmp_path / "second")
    assert "2_log10_activation_gradient_norm/03_dense" in tags_in(tmp_path / "second")
