"""Everything that is planned but not recorded is named, with the reason, and nothing else is."""

from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf
from keras import layers
from small_models import mlp, reset_keras

from vg_keras.capture.absences import Absences
from vg_keras.capture.calls import Call
from vg_keras.capture.plan import Choice, Plan

HIDDEN = ["sequential/dense", "sequential/dense_1"]
PATHS = [f"{layer}/{name}" for layer in HIDDEN for name in ("kernel", "bias")]


class Seen:
    """A model of two layers, its plan, and the taps' reports, initially that all was observed."""

    def __init__(self, model=None):
        self.model = model or mlp()
        ids = [id(layer) for layer in self.model.layers]
        self.taps = SimpleNamespace(
            called=dict.fromkeys(ids), seen=set(ids), unusable={}, without_derivative={}
        )
        self.absences = Absences(self.taps)
        self.plan = Plan(self.model, Choice())

    def hand(self, *paths):
        self.absences.note_received(dict.fromkeys(paths, tf.constant(1.0)))

    def sentences(self, is_final=True):
        return self.absences.sentences(self.plan, is_final)


def named_in(sentence):
    """Returns the paths of the model that a sentence names, as whole words."""
    words = {word.strip(".,:;") for word in sentence.split()}
    return [path for path in [*PATHS, *HIDDEN] if path in words]


def test_without_absences_nothing_is_reported():
    seen = Seen()
    seen.hand(*PATHS)

    assert seen.sentences() == []


def test_variables_that_no_optimizer_received_are_named_at_the_end_only():
    seen = Seen()
    seen.hand(PATHS[0])
    seen.absences.note_received({PATHS[1]: None})  # received, though without a gradient
    (sentence,) = seen.sentences()

    assert seen.sentences(is_final=False) == []
    assert named_in(sentence) == PATHS[2:]
    assert "gradients" in sentence


def test_a_layer_that_cannot_be_observed_is_named_at_once():
    seen = Seen()
    seen.hand(*PATHS)
    seen.taps.seen.remove(id(seen.model.layers[1]))
    (sentence,) = seen.sentences(is_final=False)

    assert named_in(sentence) == ["sequential/dense_1"]
    assert "outputs" in sentence
    assert "tf.while_loop" in sentence


@pytest.mark.parametrize(
    ("where", "what"), [("unusable", "outputs"), ("without_derivative", "activation gradients")]
)
def test_the_reason_that_the_taps_give_is_passed_on(where, what):
    seen = Seen()
    seen.hand(*PATHS)
    getattr(seen.taps, where)[id(seen.model.layers[0])] = "for a reason"
    (sentence,) = seen.sentences(is_final=False)

    assert named_in(sentence) == ["sequential/dense"]
    assert what in sentence
    assert "for a reason" in sentence


def test_a_layer_that_is_trained_but_not_called_is_named_at_the_end_only():
    seen = Seen()
    seen.hand(*PATHS[2:])
    seen.absences.note_received(dict.fromkeys(PATHS[:2]))  # frozen: passed as None
    seen.taps.called.clear()
    (sentence,) = seen.sentences()

    assert seen.sentences(is_final=False) == []
    assert named_in(sentence) == ["sequential/dense_1"]
    assert "not called" in sentence


def test_gradients_that_cannot_be_measured_are_left_out_and_named():
    seen = Seen()
    seen.hand(*PATHS)
    fine = tf.constant([1.0])
    gradients = {PATHS[0]: fine, PATHS[1]: tf.constant([1]), PATHS[2]: tf.constant([True])}
    kept = seen.absences.measurable_gradients(gradients)
    of_int, of_bool = seen.sentences(is_final=False)

    assert kept == {PATHS[0]: fine}
    assert (named_in(of_int), named_in(of_bool)) == ([PATHS[1]], [PATHS[2]])
    assert "int32" in of_int
    assert "bool" in of_bool


def test_one_unmeasurable_call_of_a_layer_excludes_all_its_calls():
    seen = Seen()
    seen.hand(*PATHS)
    fine, odd = Call(tf.constant([1.0])), Call(tf.constant([1]))
    kept = seen.absences.measurable_calls({HIDDEN[0]: [fine], HIDDEN[1]: [fine, odd]})
    (sentence,) = seen.sentences(is_final=False)

    assert kept == {HIDDEN[0]: [fine]}
    assert named_in(sentence) == [HIDDEN[1]]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("gradients", "gradients"),
        ("activations", "outputs"),
        ("activation_gradients", "activation gradients"),
        ("second_moments", "second moments"),
    ],
)
def test_a_tensor_whose_measurement_fails_is_named_with_the_error(kind, what):
    seen = Seen()
    seen.hand(*PATHS)
    seen.absences.note_failure((kind, PATHS[0]), ValueError("odd"))
    (sentence,) = seen.sentences(is_final=False)

    assert f" {what} of {PATHS[0]} " in sentence
    assert "ValueError('odd')" in sentence


def test_of_many_paths_with_one_reason_only_five_are_named():
    reset_keras()
    dense = [layers.Dense(1, use_bias=False) for _ in range(7)]
    seen = Seen(keras.Sequential([keras.Input([1]), *dense]))
    five = Seen(seen.model)
    paths = list(seen.plan.variables)
    five.hand(*paths[:2])
    (of_five,), (of_seven,) = five.sentences(), seen.sentences()

    assert f" {', '.join(paths[:5])} and 2 more " in of_seven
    assert f" {', '.join(paths[2:])} " in of_five
    assert " more " not in of_five
