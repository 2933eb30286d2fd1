"""What theory says about the signal of a model."""

import pytest
from scripted import HIDDEN, LAYERS, network
from scripted_records import layer, model_of

from vg_keras.rules.predicted_signal import PredictedSignal, Witness
from vg_keras.rules.rule import Finding
from vg_keras.rules.signal_by_depth import SignalByDepth
from vg_keras.theory import predict


def test_the_prediction_is_that_of_theory():
    found = PredictedSignal.of(network("tanh", "LecunNormal"), HIDDEN)

    assert found.factor_per_layer == pytest.approx(
        predict("tanh", "lecun_normal", fan_in=4).factor_per_layer
    )
    assert (found.activation, found.initializer) == ("tanh", "LecunNormal")


@pytest.mark.parametrize(
    ("activation", "initializer", "fitting"),
    [
        ("relu", "GlorotUniform", "he_normal"),
        ("tanh", "RandomNormal", "glorot_uniform"),
        ("sigmoid", "GlorotUniform", None),
    ],
)
def test_an_initializer_fits_if_the_signal_keeps_its_size(activation, initializer, fitting):
    assert PredictedSignal.of(network(activation, initializer), HIDDEN).fitting == fitting


@pytest.mark.parametrize(
    ("measured", "agrees"), [(0.24, True), (0.5, False), (0.1, False), (0, False)]
)
def test_factors_agree_if_their_logarithms_are_close(measured, agrees):
    predicted = PredictedSignal.of(network("sigmoid", "GlorotUniform"), HIDDEN)

    assert predicted.agrees_with(measured) is agrees


@pytest.mark.parametrize(
    "model",
    [
        network("softmax", "GlorotUniform"),
        network("tanh", "Zeros"),
        network("tanh", "Mine"),
        network("tanh"),
        network("tanh", "GlorotUniform", kind="Conv2D"),
        model_of(
            *network("tanh", "GlorotUniform").layers[:3],
            layer("norm", "gamma", output_shape=(None, 4)),
            *network("tanh", "GlorotUniform", LAYERS[3:]).layers,
        ),
        model_of(
            *network("tanh", "GlorotUniform", LAYERS[:3]).layers,
            *network("relu", "GlorotUniform", LAYERS[3:]).layers,
        ),
    ],
    ids=["activation", "zeros", "custom", "unknown", "convolution", "normalization", "mixed"],
)
def test_what_theory_does_not_cover_is_not_predicted(model):
    assert PredictedSignal.of(model, HIDDEN) is None


def test_a_prediction_is_made_once(monkeypatch):
    model, number = network("sigmoid", "GlorotUniform"), []
    signal = SignalByDepth(tuple(HIDDEN), (1e-4, 1e-3, 1e-2, 1e-1, 1.0))
    monkeypatch.setattr(PredictedSignal, "of", lambda *args: number.append(args))
    witness = Witness(model)
    for _ in range(3):
        witness.testify(Finding("", (), {}), signal, ())

    assert number == [(model, tuple(HIDDEN))]
