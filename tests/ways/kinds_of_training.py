"""Optimizers, losses, precisions and ways to run the step."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from layers_and_models import NUM, SERIES, TARGET, VECTORS, attention, dense, sequential
from twin import derive
from way import Way

optimizers = keras.optimizers
MLP = sequential([4], dense(8, "relu"), dense(2))
LABELS = np.arange(NUM) % 3


def trained(name, model=MLP, **how):
    return Way(name, model, VECTORS, TARGET, **how)


def optimized(name, optimizer):
    """Returns a way that differs from others only in its optimizer, so Grappler is left out."""
    model = sequential([4], dense(6, "tanh"), dense(2))
    return trained(name, model, optimizer=optimizer, is_optimized=False)


def of_policy(policy):
    def make():
        model = keras.Sequential(
            [
                keras.Input([4]),
                layers.Dense(8, activation="relu", dtype=policy),
                layers.Dense(2, dtype=policy),
            ]
        )
        model.dtype_policy = policy  # determines whether `compile` adds a loss scale
        return model

    return make


def derive_scaled(model, batch):
    """Derives a scaled loss. The scale is a power of two that avoids underflow in float16."""
    x, y, weight = batch
    scale = 1024.0
    step = derive(model, lambda: scale * model.compute_loss(x, y, model(x, training=True), weight))
    step.gradients = {path: g / scale for path, g in step.gradients.items()}
    step.output_gradients = {path: g / scale for path, g in step.output_gradients.items()}
    return step


class VAE(keras.Model):
    """Has a custom train step, samples, and adds two losses."""

    def __init__(self):
        super().__init__(name="vae")
        self.encoder = layers.Dense(4, activation="tanh", name="encoder")
        self.decoder = layers.Dense(4, name="decoder")
        self.seed = keras.random.SeedGenerator(5)

    def call(self, x):
        mean, spread = keras.ops.split(self.encoder(x), 2, axis=-1)
        noise = keras.random.normal(keras.ops.shape(mean), seed=self.seed)
        return self.decoder(mean + keras.ops.exp(spread) * noise), mean, spread

    def loss_of(self, x):
        output, mean, spread = self(x)
        likeness = keras.ops.mean(keras.ops.square(output - x))
        return likeness + 0.1 * keras.ops.mean(mean**2 + keras.ops.exp(2 * spread) - 2 * spread)

    def train_step(self, data):
        x = keras.utils.unpack_x_y_sample_weight(data)[0]
        with tf.GradientTape() as tape:
            loss = self.loss_of(x)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


def vae():
    model = VAE()
    model(VECTORS[:1])
    return model


class GAN(keras.Model):
    """Two optimizers, each with its own loss; the critic is trained first."""

    def __init__(self):
        super().__init__(name="gan")
        make = keras.Sequential
        self.generator = make([keras.Input([4]), layers.Dense(4, "tanh")], name="generator")
        self.critic = make(
            [keras.Input([4]), layers.Dense(5), layers.LeakyReLU(), layers.Dense(1)], name="critic"
        )
        self.built = True

    def compile(self, optimizer, **how):
        super().compile(None, jit_compile=how.get("jit_compile", False))
        self.critic_optimizer, self.generator_optimizer = optimizer
        self.critic_optimizer.build(self.critic.trainable_variables)
        self.generator_optimizer.build(self.generator.trainable_variables)

    def critic_loss(self, real):
        fake = self.critic(self.generator(tf.ones_like(real)))
        return tf.reduce_mean(fake**2) + tf.reduce_mean((self.critic(real) - 1) ** 2)

    def generator_loss(self, real):
        return tf.reduce_mean((self.critic(self.generator(tf.ones_like(real))) - 1) ** 2)

    def turns(self):
        return [
            (self.critic_optimizer, self.critic, self.critic_loss),
            (self.generator_optimizer, self.generator, self.generator_loss),
        ]

    def train_step(self, data):
        real = keras.utils.unpack_x_y_sample_weight(data)[0]
        for optimizer, part, loss_of in self.turns():
            with tf.GradientTape() as tape:
                loss = loss_of(real)
            variables = part.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


def derive_in_turns(model, batch):
    """Derives each optimizer's loss by its part of the model, the second after the first update."""
    whole = None
    for optimizer, part, loss_of in model.turns():
        variables = part.trainable_variables
        step = derive(model, lambda loss_of=loss_of: loss_of(batch[0]), variables)
        optimizer.apply(
            [tf.constant(step.gradients[v.path], tf.float32) for v in variables], variables
        )
        if whole is None:
            whole = step
        own = {layer.path or layer.name for layer in part._flatten_layers()}
        whole.gradients |= step.gradients
        for name in ("outputs", "output_gradients"):
            found = getattr(step, name)
            getattr(whole, name).update({p: a for p, a in found.items() if p in own})
    return whole


KINDS_OF_TRAINING = [
    trained("run_eagerly=True", compile={"run_eagerly": True}),
    trained("jit_compile=True", compile={"jit_compile": True}, compile_twin={"jit_compile": False}),
    Way(
        "jit_compile=True, MultiHeadAttention",
        attention,
        SERIES,
        TARGET,
        compile={"jit_compile": True},
        compile_twin={"jit_compile": False},
        rel=1e-3,
    ),
    trained(
        "steps_per_execution=3",
        compile={"steps_per_execution": 3},
        compile_twin={"steps_per_execution": 1},
    ),
    trained("sample_weight", sample_weight=np.linspace(0, 3, NUM).astype(np.float32)),
    Way(
        "class_weight",
        sequential([4], dense(8, "relu"), dense(3, "softmax")),
        VECTORS,
        LABELS,
        np.array([0.1, 1.0, 5.0], np.float32)[LABELS],
        compile={"loss": "sparse_categorical_crossentropy"},
        fit={"class_weight": {0: 0.1, 1: 1.0, 2: 5.0}, "sample_weight": None},
    ),
    trained(
        "custom train_step (VAE)",
        vae,
        compile={"loss": None},
        derive=lambda model, batch: derive(model, lambda: model.loss_of(batch[0])),
    ),
    trained(
        "custom train_step (GAN with two optimizers)",
        GAN,
        optimizer=lambda: [optimizers.SGD(0.1), optimizers.Adam(0.01)],
        derive=derive_in_turns,
    ),
    *(
        optimized(name, lambda make=make: make(0.01))
        for name, make in {
            "SGD": optimizers.SGD,
            "RMSprop": optimizers.RMSprop,
            "Adagrad": optimizers.Adagrad,
            "Adadelta": optimizers.Adadelta,
            "Adam": optimizers.Adam,
            "AdamW": optimizers.AdamW,
            "Adamax": optimizers.Adamax,
            "Nadam": optimizers.Nadam,
            "Adafactor": optimizers.Adafactor,
            "Ftrl": optimizers.Ftrl,
            "Lion": optimizers.Lion,
            "Lamb": optimizers.Lamb,
            "Muon": optimizers.Muon,
        }.items()
    ),
    optimized(
        "SGD with momentum, weight_decay", lambda: optimizers.SGD(0.1, 0.9, weight_decay=0.1)
    ),
    optimized("clipnorm", lambda: optimizers.SGD(0.1, clipnorm=0.01)),
    optimized("clipvalue", lambda: optimizers.SGD(0.1, clipvalue=0.001)),
    optimized("global_clipnorm", lambda: optimizers.SGD(0.1, global_clipnorm=0.01)),
    optimized(
        "gradient_accumulation_steps=3",
        lambda: optimizers.SGD(0.1, gradient_accumulation_steps=3),
    ),
    optimized("use_ema=True", lambda: optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=2)),
    optimized("loss_scale_factor", lambda: optimizers.SGD(0.1, loss_scale_factor=1024.0)),
    optimized(
        "LossScaleOptimizer",
        lambda: optimizers.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=1024.0),
    ),
    trained("mixed_float16", of_policy("mixed_float16"), derive=derive_scaled, rel=0.01),
    trained("mixed_bfloat16", of_policy("mixed_bfloat16"), rel=0.02),
    trained(
        "mixed_float16, jit_compile=True",
        of_policy("mixed_float16"),
        compile={"jit_compile": True},
        compile_twin={"jit_compile": False},
        derive=derive_scaled,
        rel=0.02,
    ),
    trained("float64", of_policy("float64"), rel=1e-6),
]
