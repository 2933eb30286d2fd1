"""Two traces of an unchanged step are equal; every change of the step is detected and named."""

import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_models import compiled, reset_keras

from vg_keras.capture.graph_difference import Function, difference

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=[16, 4]).astype("float32")
Y = X[:, :1]
SEQUENCES = RANDOM.normal(size=[16, 5, 4]).astype("float32")
IMAGES = RANDOM.normal(size=[16, 8, 8, 3]).astype("float32")
WORDS = RANDOM.integers(0, 10, size=[16, 5])
LARGE = RANDOM.normal(size=[4, 200]).astype("float32")  # TensorFlow copies up to 128 elements

SCOPE = keras.optimizers.SGD().name.removesuffix("_1")
"""The name scope of the optimizer, which Keras 3.13 writes in capitals."""


@pytest.fixture(autouse=True)
def fresh_names():
    reset_keras()


def batches(x, y=Y, *weights):
    return tf.data.Dataset.from_tensor_slices((x, y, *weights)).batch(8)


def trace(model, data):
    """Returns the existing trace of a model's train function, or traces it."""
    cells = [cell.cell_contents for cell in model.train_function.__closure__]
    (steps,) = (c for c in cells if getattr(c, "__name__", "") == "multi_step_on_iterator")
    return steps.get_concrete_function(iter(data))


def trace_again(model, data):
    own = model.train_function
    model.make_train_function(force=True)
    try:
        return trace(model, data)
    finally:
        model.train_function = own


def two_traces(model, data, change=lambda model: None):
    """Returns the trace that `fit` made, and another one made after a change."""
    model.fit(data, shuffle=False, verbose=0)
    before = trace(model, data)
    change(model)
    return before, trace_again(model, data)


def sequential(*hidden, data=None, inputs=(4,), **how):
    """A compiled model of these layers and a Dense one, and data for it."""
    model = keras.Sequential([keras.Input(inputs), *hidden, layers.Dense(1, name="head")])
    return compiled(model, **how), data or batches(X)


def calling(function, **how):
    """A model with a layer that calls a function, which XLA need not compile."""
    return sequential(layers.Dense(4), Calling(function), jit_compile=False, **how)


class Calling(layers.Layer):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)

    def compute_output_shape(self, shape):
        return shape


class Subclassed(keras.Model):
    """Uses a layer twice, and creates another in its `call`, which gets a new name each time."""

    def __init__(self):
        super().__init__()
        self.twice, self.out = layers.Dense(4), layers.Dense(1)

    def call(self, x):
        return self.out(self.twice(layers.ReLU()(self.twice(x))))


class TwoOptimizers(Subclassed):
    def __init__(self):
        super().__init__()
        self.first, self.second = keras.optimizers.Adam(), keras.optimizers.SGD()

    def train_step(self, data):
        x, y = data
        with tf.GradientTape(persistent=True) as tape:
            loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
        for optimizer, layer in ((self.first, self.twice), (self.second, self.out)):
            variables = layer.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


class GradientPenalty(Subclassed):
    """Differentiates a `tf.function` twice."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                output = tf.function(self)(x)
            loss = tf.reduce_mean(inner.gradient(output, x) ** 2 + (output - y) ** 2)
        variables = self.trainable_variables
        self.optimizer.apply(outer.gradient(loss, variables), variables)
        return {"loss": loss}


class FloatLearningRate(Subclassed):
    learning_rate = 0.1

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x) - y) ** 2)
        variables = self.trainable_variables
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(self.learning_rate * gradient)
        return {"loss": loss}


def functional():
    inputs = keras.Input([4])
    hidden = layers.Dense(4)(inputs)
    joined = layers.Add()([hidden, layers.Dense(4, "tanh", kernel_regularizer="l2")(hidden)])
    model = keras.Model(inputs, layers.Dense(1, kernel_constraint="max_norm")(joined))
    return compiled(model, keras.optimizers.RMSprop(), metrics=["mae"]), batches(X)


def unbuilt():
    hidden = [layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.1)]
    return compiled(keras.Sequential([*hidden, layers.Dense(1)]), "adam"), batches(X)


def subclassed(kind=Subclassed):
    return compiled(kind()), batches(X)


def recurrent(layer):
    return sequential(
        layers.Embedding(10, 4, mask_zero=True), layer, data=batches(WORDS), inputs=(5,)
    )


def attention():
    inputs = keras.Input([5, 4])
    hidden = layers.MultiHeadAttention(2, 3, dropout=0.1)(inputs, inputs)
    hidden = layers.LayerNormalization()(hidden + inputs)
    model = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling1D()(hidden)))
    return compiled(model, keras.optimizers.AdamW()), batches(SEQUENCES)


def convolutional(**how):
    hidden = [
        layers.RandomFlip(),
        layers.SpectralNormalization(layers.Conv2D(4, 3, activation="swish")),
        layers.SpatialDropout2D(0.2),
        layers.Conv2D(4, 3, padding="same", name="conv"),
        layers.GlobalAveragePooling2D(),
    ]
    return sequential(*hidden, data=batches(IMAGES), inputs=(8, 8, 3), **how)


def mixed_precision():
    model, data = sequential(layers.Dense(8, dtype="mixed_float16"))
    model.dtype_policy = keras.DTypePolicy("mixed_float16")
    return compiled(model, "adam"), data


def optimized_by(optimizer, **how):
    return sequential(layers.Dense(4), optimizer=optimizer, **how)


def tf_functions():
    """An inner function called twice, one under XLA, and one created again in each trace."""
    called_twice = tf.function(lambda x: tf.tanh(x) + tf.random.normal([4]))
    under_xla = tf.function(lambda x: tf.tanh(x) * 2.0, jit_compile=True)
    return calling(
        lambda x: called_twice(under_xla(x)) + called_twice(tf.function(lambda x: x * 3.0)(x))
    )


def control_flow(x):
    x = tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, tf.tanh(x) * 1.5), [0, x])[1]
    x = tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: x * 3.0)
    x = tf.switch_case(tf.shape(x)[0] % 2, [lambda: x, lambda: x + 1])
    return tf.map_fn(lambda row: row * 2, x) + tf.vectorized_map(lambda row: row * 3, x)


@tf.function
def loops_by_autograph(x):
    rows = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
    for i in tf.range(3):
        rows = rows.write(i, x * tf.cast(i, tf.float32))
    for element in tf.data.Dataset.range(3).map(lambda i: i * 2):
        x = x + tf.cast(element, tf.float32)
    return tf.reduce_sum(rows.stack(), 0) + x


def python_functions(x):
    doubled = tf.numpy_function(lambda x: x * 2, [x], tf.float32)
    stateless = tf.numpy_function(lambda x: x * 3, [x], tf.float32, stateful=False)
    halved = tf.py_function(lambda x: x / 2, [x], tf.float32)
    return tf.ensure_shape(doubled + stateless + halved, x.shape)


@tf.custom_gradient
def doubled_gradient(x):
    return tf.identity(x), lambda gradient: gradient * 2


def asserted(x):
    x = layers.ReLU()(x)  # has another name each time, and the messages contain it
    tf.debugging.assert_less(x, 1e9)
    tf.debugging.assert_equal(tf.shape(x)[1], 4)
    return x


def placed(x):
    with tf.compat.v1.colocate_with(layers.ReLU()(x)):
        return x * 2


def random(x):
    x = tf.nn.dropout(x, 0.3) + tf.random.normal([4]) + tf.random.stateless_normal([4], [1, 2])
    return x + keras.random.normal([4]) + tf.random.get_global_generator().normal([4])


def without_seed():
    tf.random.set_seed(None)
    return calling(random)


def with_counter_in_shared_name():
    counter = itertools.count()

    def function(x):
        tf.raw_ops.MutexV2(shared_name=f"mutex_{next(counter)}")
        return x

    return calling(function)


def capturing():
    large, small = tf.constant(LARGE), tf.constant(LARGE[:, :4])
    words = tf.constant(["a", "b"] * 100)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.range(9), tf.range(9)), 0
    )
    numbers = tf.data.Dataset.range(3)

    def function(x):
        with tf.init_scope():
            equal, equal_words = tf.constant(LARGE), tf.constant(["a", "bcd"] * 100)
        x = x + tf.matmul(x, equal)[:, :4] + tf.cast(tf.strings.length(equal_words[1]), tf.float32)
        x = tf.matmul(x, large)[:, :4] + tf.matmul(x, small) + LARGE[:1, :4] + np.nan
        x = x + tf.cast(tf.strings.length(words[0]) + table.lookup(tf.constant(3)), tf.float32)
        return x + tf.cast(numbers.reduce(tf.zeros([], tf.int64), tf.add), tf.float32)

    return calling(function)


def regularized_activity(x):
    return layers.ActivityRegularization(0.1)(x)


SGD, ADAM = keras.optimizers.SGD, keras.optimizers.Adam
KINDS = {
    "functional": functional,
    "unbuilt": unbuilt,
    "subclassed": subclassed,
    "two optimizers": lambda: subclassed(TwoOptimizers),
    "gradient penalty": lambda: subclassed(GradientPenalty),
    "own train step": lambda: subclassed(FloatLearningRate),
    "LSTM": lambda: recurrent(layers.LSTM(3)),
    "bidirectional GRU": lambda: recurrent(layers.Bidirectional(layers.GRU(3, dropout=0.2))),
    "attention": attention,
    "convolutional": convolutional,
    "mixed precision": mixed_precision,
    "activity regularizer": lambda: calling(regularized_activity),
    "tf functions": tf_functions,
    "control flow": lambda: calling(control_flow),
    "autograph": lambda: calling(loops_by_autograph),
    "python functions": lambda: calling(python_functions),
    "custom gradient": lambda: calling(doubled_gradient),
    "recomputed gradient": lambda: calling(tf.recompute_grad(layers.Dense(4))),
    "asserts": lambda: calling(asserted),
    "colocated": lambda: calling(placed),
    "shared name": with_counter_in_shared_name,
    "captures": capturing,
    "random": lambda: calling(random),
    "random without seed": without_seed,
    "momentum": lambda: optimized_by(SGD(momentum=0.9, nesterov=True)),
    "average of weights": lambda: optimized_by(SGD(use_ema=True, ema_overwrite_frequency=2)),
    "gradient accumulation": lambda: optimized_by(ADAM(gradient_accumulation_steps=3)),
    "clipping": lambda: optimized_by(SGD(clipnorm=1.0)),
    "global clipping": lambda: optimized_by(ADAM(global_clipnorm=1.0)),
    "schedule": lambda: optimized_by(ADAM(keras.optimizers.schedules.CosineDecay(0.1, 10))),
    "several steps": lambda: sequential(layers.Dropout(0.2), steps_per_execution=3),
    "XLA": lambda: sequential(layers.Dropout(0.2), jit_compile=True, optimizer="adam"),
    "sample weights": lambda: sequential(
        data=batches(X, Y, np.ones(16, "float32")), weighted_metrics=["mae"]
    ),
    "metrics": lambda: sequential(
        data=batches(X, (Y > 0).astype("float32")),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=["accuracy", keras.metrics.AUC(from_logits=True)],
    ),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_traces_of_an_unchanged_step_are_equal(make):
    before, now = two_traces(*make())

    assert before is not now
    assert difference(before, now) is None


def test_a_step_on_two_replicas_is_equal(two_replicas):
    with two_replicas.scope():
        hidden = [layers.BatchNormalization(synchronized=True), layers.Dropout(0.2)]
        model, data = sequential(*hidden, optimizer="adam", metrics=["mae"])
    data = two_replicas.experimental_distribute_dataset(data)

    assert difference(*two_traces(model, data)) is None


def test_a_step_with_numerics_checks_is_equal():
    tf.debugging.enable_check_numerics()
    try:
        before, now = two_traces(*sequential(layers.Dense(4)))
    finally:
        tf.debugging.disable_check_numerics()

    assert difference(before, now) is None


@pytest.mark.parametrize("mode", ["FULL_HEALTH", "FULL_TENSOR"])
def test_a_step_that_dumps_its_tensors_is_equal(mode, tmp_path):
    tf.debugging.experimental.enable_dump_debug_info(str(tmp_path), mode)
    try:
        before, now = two_traces(*sequential(layers.Dense(4)))
    finally:
        tf.debugging.experimental.disable_dump_debug_info()

    assert difference(before, now) is None


def test_static_shapes_of_arguments_are_ignored():
    function = tf.function(lambda x: x * 2.0)
    traces = [function.get_concrete_function(tf.TensorSpec([size])) for size in (2, 3)]

    assert difference(*traces) is None


def function_def():
    """Returns the definition of a function with everything that a function can have."""

    @tf.function
    def function(x, y):
        with tf.control_dependencies([tf.raw_ops.Timestamp()]):
            difference = x - y
        first, second = tf.split(difference, 2)
        chosen = tf.cond(first[0] > 0, lambda: first, lambda: second)
        return first, tf.sin(chosen)

    definition = function.get_concrete_function(*[tf.TensorSpec([2])] * 2).function_def
    copy = type(definition)()
    copy.CopyFrom(definition)
    copy.node_def.add(name="returned", op="Const").attr["value"].i = 1
    copy.signature.output_arg.add(name="last", type=tf.float32.as_datatype_enum)
    copy.ret["last"] = "returned:output:0"
    return copy


def node(definition, op):
    return next(node for node in definition.node_def if node.op == op)


def swap_inputs(definition):
    inputs = node(definition, "Sub").input
    inputs[0], inputs[1] = inputs[1], inputs[0]


def take_another_output(definition):
    inputs = node(definition, "StridedSlice").input
    inputs[0] = inputs[0].replace(":0", ":1")


def swap_outputs(definition):
    first, second, _ = (output.name for output in definition.signature.output_arg)
    definition.ret.update({first: definition.ret[second], second: definition.ret[first]})


EDITS = {
    "arguments": lambda definition: setattr(
        definition.signature.input_arg[0], "type", tf.int32.as_datatype_enum
    ),
    "operation": lambda definition: setattr(node(definition, "Sin"), "op", "Cos"),
    "device": lambda definition: setattr(node(definition, "Sin"), "device", "/device:CPU:1"),
    "order of inputs": swap_inputs,
    "which output": take_another_output,
    "control inputs": lambda definition: node(definition, "Sub").input.pop(),
    "attribute": lambda definition: setattr(node(definition, "Split").attr["num_split"], "i", 3),
    "called function": lambda definition: setattr(
        node(definition, "StatelessIf").attr["then_branch"].func, "name", "another"
    ),
    "order of outputs": swap_outputs,
    "returned constant": lambda definition: setattr(definition.node_def[-1].attr["value"], "i", 2),
    "control outputs": lambda definition: definition.control_ret.clear(),
    "attribute of the function": lambda definition: setattr(
        definition.attr["_XlaMustCompile"], "b", True
    ),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_difference_in_any_part_of_a_function_is_detected(edit):
    definition = function_def()
    before = Function(definition).digest(lambda name: name)
    edit(definition)

    assert Function(definition).digest(lambda name: name) != before


def base(**how):
    """Layers with user-given names."""
    hidden = [layers.Dense(8, "relu", name="base"), layers.Dropout(0.1, name="dropout")]
    return sequential(*hidden, **how)


def frozen():
    model, data = base()
    model.optimizer.build(model.trainable_variables)  # otherwise it rejects a variable added later
    model.layers[0].trainable = False
    return model, data


def regularized():
    return sequential(layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.01)))


def stateful(function, **state):
    """A model with a layer that calls a function of its input and of a state that tests change."""
    state = SimpleNamespace(**state)
    model, data = calling(lambda x: function(x, state))
    model.layers[1].state = state
    return model, data


def set_state(**values):
    return lambda model: vars(model.layers[1].state).update(values)


def set_layer(index, **values):
    return lambda model: [setattr(model.layers[index], *item) for item in values.items()]


def set_optimizer(**values):
    return lambda model: [setattr(model.optimizer, *item) for item in values.items()]


def set_model(**values):
    return lambda model: [setattr(model, *item) for item in values.items()]


MAIN_CHANGES = {
    "dropout rate": (
        base,
        set_layer(1, rate=0.9),
        "the constant 'sequential_1/dropout_1/stateless_dropout/GreaterEqual/y' is 0.9 and was 0.1",
    ),
    "frozen": (
        base,
        set_layer(0, trainable=False),
        "it no longer updates 'sequential/base/kernel', 'sequential/base/bias'",
    ),
    "frozen with Adam": (
        lambda: base(optimizer="adam"),
        set_layer(0, trainable=False),
        "it no longer updates 'sequential/base/kernel', 'sequential/base/bias' and 4 more",
    ),
    "unfrozen": (
        frozen,
        set_layer(0, trainable=True),
        "it also updates 'sequential/base/kernel', 'sequential/base/bias'",
    ),
    "clipnorm": (
        base,
        set_optimizer(clipnorm=1e-3),
        f"it also runs '{SCOPE}/clip_by_norm/mul', '{SCOPE}/clip_by_norm/Sum' and 66 more",
    ),
    "another clipnorm": (
        lambda: base(optimizer=SGD(clipnorm=1.0)),
        set_optimizer(clipnorm=1e-3),
        f"the constant '{SCOPE}/clip_by_norm/mul_1/y' is 0.001 and was 1.0",
    ),
    "activation": (
        base,
        set_layer(0, activation=keras.activations.tanh),
        (
            "it runs 'sequential_1/base_1/Tanh' and 1 more "
            "instead of 'sequential_1/base_1/Relu' and 1 more"
        ),
    ),
}


@pytest.mark.parametrize(("make", "change", "clause"), MAIN_CHANGES.values(), ids=MAIN_CHANGES)
def test_a_change_is_described(make, change, clause):
    assert difference(*two_traces(*make(), change)) == clause


def scaled(x, state):
    return x * state.factor


def renamed(x, state):
    return tf.multiply(x, state.factor, name=state.name)


def looped(x, state):
    return tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, x * state.factor), [0, x])[1]


def branched(x, state):
    return tf.cond(tf.reduce_sum(x) > 0, lambda: x * state.factor, lambda: x)


def called(x, state):
    return tf.function(lambda x: x * state.factor)(x)


def multiplied(x, state):
    return tf.matmul(x, state.matrix)[:, :4]


def subtracted(x, state):
    return state.signed(x * 2.0, tf.tanh(x))


def two_variables():
    state = {name: tf.Variable(tf.ones(4), name=name) for name in "abc"}
    return stateful(lambda x, state: x * state.a + state.b, **state)


def update_in_branch(x, state):
    """Updates the first of two variables."""
    first, second = state.variables
    y = tf.cond(tf.reduce_sum(x) > 0, lambda: x + first.assign_add(tf.ones(4)), lambda: x)
    return y + second


def swap_variables(model):
    state = model.layers[1].state
    state.a, state.b = state.b, state.a


def replace_variables(model):
    state = model.layers[1].state
    state.a, state.b = (tf.Variable(tf.ones(4), name="a") for _ in range(2))


def both(x, state):
    first, second = (function(x) for function in state.functions)
    return first + second


def on_device(x, state):
    with tf.device(state.device):
        return x * 2.0


CHANGES = {
    "no dropout": (base, set_layer(1, rate=0), "it no longer runs 'sequential_1/dropout_1/mul'"),
    "global clipnorm": (base, set_optimizer(global_clipnorm=1.0), f"it also runs '{SCOPE}/Square'"),
    "momentum": (
        lambda: base(optimizer=SGD(momentum=0.9)),
        set_optimizer(momentum=0.8),
        "is 0.8 and was 0.9",
    ),
    "regularizer": (
        regularized,
        lambda model: setattr(model.layers[0].kernel, "regularizer", keras.regularizers.L1(0.01)),
        "it runs 'Abs' and 3 more instead of 'Square'",
    ),
    "no regularizer": (
        regularized,
        lambda model: setattr(model.layers[0].kernel, "regularizer", None),
        "it no longer runs 'Square'",
    ),
    "factor of a regularizer": (
        regularized,
        lambda model: setattr(model.layers[0].kernel.regularizer, "l2", 0.02),
        "is 0.02 and was 0.01",
    ),
    "activation of a layer beside one with another name each time": (
        subclassed,
        lambda model: setattr(model.twice, "activation", keras.activations.tanh),
        "it also runs 'subclassed_1/dense_1/Tanh', ",
    ),
    "frozen batch normalization": (
        lambda: sequential(layers.BatchNormalization()),
        set_layer(0, trainable=False),
        "it no longer updates 'sequential/batch_normalization/moving_mean'",
    ),
    "learning rate as a float": (
        lambda: subclassed(FloatLearningRate),
        set_model(learning_rate=0.2),
        "is 0.2 and was 0.1",
    ),
    "strides": (
        convolutional,
        set_layer(3, strides=(2, 2)),
        "'strides' of 'sequential_1/conv_1/convolution' is 1, 2, 2, 1 and was 1, 1, 1, 1",
    ),
    "padding": (convolutional, set_layer(3, padding="valid"), 'is "VALID" and was "SAME"'),
    "XLA": (base, set_model(jit_compile=True), "'_XlaMustCompile'"),
    "steps per execution": (
        lambda: base(steps_per_execution=3),
        set_model(steps_per_execution=2),
        "is 2 and was 3",
    ),
    "global seed": (
        lambda: calling(random),
        lambda model: keras.utils.set_random_seed(1),
        "RandomUniform' is 1 and was 0",
    ),
    "float": (
        lambda: stateful(scaled, factor=2.0),
        set_state(factor=3.0),
        "the constant 'sequential_1/calling_1/mul/y' is 3.0 and was 2.0",
    ),
    "sign of zero": (
        lambda: stateful(scaled, factor=0.0),
        set_state(factor=-0.0),
        "is -0.0 and was 0.0",
    ),
    "float of a renamed operation": (
        lambda: stateful(renamed, factor=2.0, name="two"),
        set_state(factor=3.0, name="three"),
        "the constant 'sequential_1/calling_1/three/y' is 3.0 and was 2.0",
    ),
    "float of an operation with a long name": (
        lambda: stateful(renamed, factor=2.0, name="n" * 100),
        set_state(factor=3.0),
        f"the constant '...{'n' * 55}/y' is 3.0 and was 2.0",
    ),
    "float in a loop": (
        lambda: stateful(looped, factor=2.0),
        set_state(factor=3.0),
        "the constant 'sequential_1/calling_1/while/mul/y' is 3.0 and was 2.0",
    ),
    "float in a branch": (
        lambda: stateful(branched, factor=2.0),
        set_state(factor=3.0),
        "the constant 'sequential_1/calling_1/cond/mul/y' is 3.0 and was 2.0",
    ),
    "float in a function": (
        lambda: stateful(called, factor=2.0),
        set_state(factor=3.0),
        "the constant 'sequential_1/calling_1/mul/y' is 3.0 and was 2.0",
    ),
    "array": (
        lambda: stateful(multiplied, matrix=LARGE),
        set_state(matrix=LARGE + 1),
        "the constant 'sequential_1/calling_1/MatMul/b' has changed",
    ),
    "captured tensor": (
        lambda: stateful(multiplied, matrix=tf.constant(LARGE)),
        set_state(matrix=tf.constant(LARGE + 1)),
        "input 1 of 'sequential_1/calling_1/MatMul' has changed",
    ),
    "captured strings": (
        lambda: stateful(
            lambda x, state: x + tf.cast(tf.strings.length(state.words[0]), tf.float32),
            words=tf.constant(["a"] * 200),
        ),
        set_state(words=tf.constant(["a"] * 199 + ["b"])),
        "input 0 of 'sequential_1/calling_1/strided_slice' has changed",
    ),
    "order of inputs": (
        lambda: stateful(subtracted, signed=tf.subtract),
        set_state(signed=lambda a, b: tf.subtract(b, a)),
        "input 0 of 'sequential_1/calling_1/Sub' is ",
    ),
    "order of operations": (
        lambda: stateful(both, functions=[tf.sin, tf.cos]),
        set_state(functions=[tf.cos, tf.sin]),
        "the same operations are connected differently",
    ),
    "device": (
        lambda: stateful(on_device, device="CPU:0"),
        set_state(device="CPU:1"),
        "the device of 'sequential_1/calling_1/mul/y' is '/device:CPU:1' and was '/device:CPU:0'",
    ),
    "swapped variables": (two_variables, swap_variables, " is 'b' and was 'a'"),
    "variable that a branch updates": (
        lambda: stateful(
            update_in_branch, variables=[tf.Variable(tf.ones(4), name=name) for name in "ab"]
        ),
        lambda model: model.layers[1].state.variables.reverse(),
        "it updates 'b' instead of 'a'",
    ),
    "another variable": (
        two_variables,
        lambda model: setattr(model.layers[1].state, "b", model.layers[1].state.c),
        "it uses 'c' instead of 'b'",
    ),
    "another variable of that name": (
        two_variables,
        replace_variables,
        "it uses 'a' and 1 more instead of another of that name",
    ),
}


@pytest.mark.parametrize(("make", "change", "part"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_detected(make, change, part):
    clause = difference(*two_traces(*make(), change))

    assert part in clause
    assert len(clause) <= 200
    assert "\n" not in clause
