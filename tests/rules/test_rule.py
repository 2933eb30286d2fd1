"""Which layers a rule looks at, and how it names several."""

from scripted_records import layer, model_of

from vg_keras.rules.rule import hidden_layers, listed


def test_hidden_layers_have_weights_and_an_output_and_are_not_the_last():
    outputs = {"output_shape": (None, 4)}
    model = model_of(
        layer("first", "kernel", **outputs),
        layer("activation", **outputs),
        layer("unmonitored", "kernel"),
        layer("second", "kernel", **outputs),
        layer("output", "kernel", **outputs),
    )

    assert hidden_layers(model) == ["first", "second"]


def test_many_paths_are_shortened():
    assert listed("ab") == "a, b"
    assert listed("abcde") == "a, b, c and 2 more"
