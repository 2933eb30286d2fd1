"""Filters choose variables and layers by path, and raise if they match nothing."""

import pytest
from small_models import compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor
from vg_keras.capture.model_map import ModelMap
from vg_keras.filters import checked_filter, select

pytestmark = pytest.mark.usefixtures("graphs_as_traced")

PATHS = dict.fromkeys(["a/kernel", "a/bias", "b/kernel", "b[0]/x"])


def selected(chosen, candidates=PATHS):
    return select(candidates, chosen, "variables", "trainable variable")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, ["a/kernel", "a/bias", "b/kernel", "b[0]/x"]),
        ("a/*", ["a/kernel", "a/bias"]),
        ("*kernel", ["a/kernel", "b/kernel"]),
        ("a/kernel", ["a/kernel"]),
        ("?/bias", ["a/bias"]),
        (["b/*", "a/bias"], ["a/bias", "b/kernel"]),
        ("b[[]0]/x", ["b[0]/x"]),
    ],
)
def test_patterns_choose_paths(chosen, expected):
    assert selected(chosen) == set(expected)


@pytest.mark.parametrize("chosen", ["kernel", "A/*", [], ["x", "y"]])
def test_a_pattern_that_matches_nothing_raises(chosen):
    with pytest.raises(ValueError, match="`variables`") as caught:
        selected(chosen)

    assert str(caught.value) == (
        "`variables` must match at least one trainable variable of the model. "
        f"Received: variables={chosen!r}, which matches none of "
        "a/kernel, a/bias, b/kernel, b[0]/x."
    )


def test_the_error_names_the_argument_and_what_it_selects():
    with pytest.raises(ValueError, match="`activations`") as caught:
        select(PATHS, "x", "activations", "layer")

    assert str(caught.value).startswith(
        "`activations` must match at least one layer of the model. Received: activations='x'"
    )


def test_a_function_can_choose_variables():
    variables = ModelMap(mlp(depth=1)).variables

    assert selected(lambda v: v.shape == (2,), variables) == {"sequential/dense_1/bias"}


def test_without_any_paths_nothing_is_chosen():
    assert selected("a/*", {}) == set()


@pytest.mark.parametrize("chosen", [None, "a/*", print, ["a", "b"], []])
def test_a_filter_is_kept_unchanged(chosen):
    assert checked_filter(chosen, "variables", "variable") == chosen


def test_patterns_can_be_given_in_any_collection():
    patterns = checked_filter((name for name in ("a", "b")), "variables", "variable")

    assert patterns == ["a", "b"]


@pytest.mark.parametrize("chosen", [5, [5], ["a", None], True])
def test_an_invalid_filter_raises(chosen):
    with pytest.raises(TypeError) as caught:
        checked_filter(chosen, "activations", "layer")

    assert str(caught.value) == (
        "`activations` must be a pattern of paths such as '*/kernel', a list of patterns, a "
        f"function from a layer to bool, or None. Received: activations={chosen!r}."
    )


@pytest.mark.parametrize(
    ("exclude", "variables", "layers"),
    [
        ("*/bias", {"kernel", "kernel_1"}, {"dense", "dense_1"}),
        (["*/dense_1*"], {"kernel", "bias"}, {"dense"}),
        ((), {"kernel", "bias", "kernel_1", "bias_1"}, {"dense", "dense_1"}),
    ],
)
def test_excluded_variables_and_layers_are_not_monitored(exclude, variables, layers):
    monitor = GradientMonitor(None, "batch", exclude=exclude)
    fit(compiled(mlp(depth=1)), *regression_data(1), [monitor])
    (record,) = monitor.records
    names = {
        p.replace("dense_1/", "dense/").rpartition("/")[2] + ("_1" if "_1" in p else "")
        for p in record.gradients
    }

    assert names == variables
    assert {path.rpartition("/")[2] for path in record.activations} == layers


def test_exclusions_apply_to_the_chosen_ones():
    monitor = GradientMonitor(None, "batch", "*/kernel", exclude="*/dense/*")
    fit(compiled(mlp(depth=1)), *regression_data(1), [monitor])

    assert list(monitor.records[0].gradients) == ["sequential/dense_1/kernel"]


def test_a_pattern_that_excludes_nothing_raises():
    with pytest.raises(ValueError, match="`exclude` must be patterns that match") as caught:
        fit(compiled(mlp()), *regression_data(1), [GradientMonitor(None, exclude=["bias"])])

    assert "Received: 'bias', which matches none of sequential/dense/kernel" in str(caught.value)


@pytest.mark.parametrize("exclude", [3, [1], None, {"a": 1}])
def test_patterns_to_exclude_must_be_strings(exclude):
    with pytest.raises(TypeError, match="`exclude` must be a pattern"):
        GradientMonitor(None, exclude=exclude)
