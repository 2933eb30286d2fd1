"""Which values are accepted as a probe, and the errors for all others."""

import keras
import numpy as np
import pytest
from reference import weights_of
from small_models import compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor, Probe
from vg_keras.probe import as_probe

X, Y = regression_data(1)


def test_a_tuple_is_converted_to_a_probe():
    probe = as_probe((X, Y))

    assert np.array_equal(probe.x, X)
    assert np.array_equal(probe.y, Y)
    assert (probe.sample_weight, probe.training, probe.loss, probe.name) == (
        None,
        True,
        None,
        "probe",
    )


def test_a_tuple_of_three_includes_sample_weights():
    weights = np.arange(len(X))

    assert np.array_equal(as_probe((X, Y, weights)).sample_weight, weights)


def test_a_probe_is_returned_unchanged():
    probe = Probe(X, Y)

    assert as_probe(probe) is probe
    assert as_probe(None) is None


def test_nested_structures_of_arrays_are_accepted():
    probe = Probe({"a": X, "b": [X, X]}, (Y, Y))

    assert [part.shape for part in keras.tree.flatten(probe.x)] == [X.shape] * 3
    assert isinstance(probe.y, tuple)


def test_later_changes_of_an_array_do_not_affect_the_probe():
    x = X.copy()
    probe = Probe(x, Y)
    x[:] = 0

    assert np.array_equal(probe.x, X)


@pytest.mark.parametrize("probe", [5, [X, Y], (X,), (X, Y, Y, Y), {"x": X}])
def test_an_invalid_probe_raises(probe):
    with pytest.raises(TypeError) as caught:
        GradientMonitor(None, probe=probe)

    assert str(caught.value) == (
        "`probe` must be a vg_keras.Probe, a tuple (x, y) or (x, y, sample_weight), or None. "
        f"Received: a {type(probe).__name__}."
    )


@pytest.mark.parametrize(
    ("parts", "lengths"),
    [
        ((X, Y[:3]), "3, 8"),
        ((X, Y, np.ones(2)), "2, 8"),
        ((X[:0], Y[:0]), "0"),
        (({"a": X, "b": X[:5]}, Y), "5, 8"),
        ((1.0, Y), "0, 8"),
    ],
)
def test_a_probe_without_examples_or_with_unequal_lengths_raises(parts, lengths):
    with pytest.raises(ValueError, match="`probe`") as caught:
        GradientMonitor(None, probe=parts)

    assert str(caught.value) == (
        "`probe` must hold at least one example, and as many targets and weights as examples. "
        f"Received: arrays of {lengths} examples."
    )


@pytest.mark.parametrize("name", ["", "a/b", "..", ".", "./a", "gradients", "train", "validation"])
def test_a_name_that_is_not_a_directory_of_its_own_raises(name):
    with pytest.raises(ValueError, match="`name`") as caught:
        Probe(X, Y, name=name)

    assert str(caught.value) == (
        "`name` must be a plain directory name, other than "
        f"gradients, train, validation. Received: name={name!r}."
    )


@pytest.mark.parametrize("how", [{}, {"jit_compile": True}, {"run_eagerly": True}])
def test_a_probe_that_does_not_fit_the_model_raises_before_training(how):
    model = compiled(mlp(depth=0), **how)
    before = weights_of(model)
    with pytest.raises(ValueError, match="`probe`") as caught:
        fit(model, X, Y, [GradientMonitor(None, probe=(X[:, :3], Y))])

    assert str(caught.value).startswith(
        "`probe` must be a batch that the model can compute a loss for. "
        "Received a batch on which it fails: "
    )
    assert weights_of(model) == before
