"""Measures the factor per layer of the backpropagated signal for each pair."""

import math
from typing import Any

from experiments.common import mlp
from experiments.common.factors import factor_per_layer, mean_factor, predicted_signal
from experiments.common.first_steps import FirstSteps
from experiments.common.outcome import Outcome, Results
from experiments.common.session import Session
from experiments.common.sweep import Work
from experiments.mean_field.expected import checks, worst
from experiments.mean_field.figure import draw
from vg_keras.theory import mean_field_path, predict

_POOLE = mlp.scaled(1.76), mlp.initializer("RandomNormal", stddev=0.05**0.5)

PAIRS: dict[str, tuple[str, mlp.Initializer, mlp.Initializer]] = {
    "sigmoid, Glorot": ("sigmoid", "glorot_uniform", "zeros"),
    "sigmoid, He": ("sigmoid", "he_normal", "zeros"),
    "sigmoid, orthogonal": ("sigmoid", "orthogonal", "zeros"),
    "sigmoid, Nielsen": ("sigmoid", "lecun_normal", mlp.initializer("RandomNormal", stddev=1.0)),
    "tanh, standard": ("tanh", mlp.scaled(1 / 3, "uniform"), "zeros"),
    "tanh, Glorot": ("tanh", "glorot_uniform", "zeros"),
    "tanh, orthogonal, gain 1.5": ("tanh", mlp.initializer("Orthogonal", gain=1.5), "zeros"),
    "tanh, (1.76, 0.05)": ("tanh", *_POOLE),
    "softsign, Glorot": ("softsign", "glorot_uniform", "zeros"),
    "ReLU, Glorot": ("relu", "glorot_uniform", "zeros"),
    "ReLU, He": ("relu", "he_normal", "zeros"),
    "ReLU, orthogonal": ("relu", "orthogonal", "zeros"),
    "ReLU, variance 5/n": ("relu", mlp.scaled(5.0), "zeros"),
    "LeakyReLU, He": ("leaky_relu", "he_normal", "zeros"),
    "ELU, Glorot": ("elu", "glorot_uniform", "zeros"),
    "SELU, LeCun": ("selu", "lecun_normal", "zeros"),
    "GELU, He": ("gelu", "he_normal", "zeros"),
    "SiLU, He": ("silu", "he_normal", "zeros"),
    "linear, Glorot": ("linear", "glorot_uniform", "zeros"),
}
"""Activation and Keras initializers of kernels and biases, by the name of the pair."""


def run(session: Session) -> Outcome:
    """Measures the factor of every pair and compares it with theory's."""
    options = session.options
    size = {name: getattr(options, name) for name in ("depth", "width", "draws", "seed")}
    activations = dict.fromkeys(activation for activation, *_ in PAIRS.values())
    found = session.sweep(measure, [(activation, *size.values()) for activation in activations])
    results = {name: theory(name, options.depth) | one[name] for one in found for name in one}
    title = f"{options.depth} layers of {options.width} units; mean of {options.draws} networks"
    text = answer(results, options.depth)
    return Outcome(text, [*checks(results)], results, size, draw(results, title))


def answer(results: Results, depth: int) -> str:
    """Returns the answer: "Yes" if no pair deviates from theory by 5% or more."""
    factors = [one["fixed_factor"] for one in results.values()]
    fixed = abs(worst(results, "fixed_factor", "sqrt_chi") - 1)
    ours = abs(worst(results, "factor", "theory_factor") - 1)
    gelu, in_theory = (results["GELU, He"][key] for key in ("factor", "sqrt_chi"))
    return (
        f"{'Yes' if max(fixed, ours) < 0.05 else 'Not here'}: for {len(results)} pairs, with "
        f"factors from {min(factors):.3f} to {max(factors):.2f} per layer, the factor measured at "
        f"the fixed point differs from sqrt(chi) by at most {fixed:.1%}. With inputs of variance 1,"
        f" it differs by at most {ours:.1%} from theory evaluated layer by layer: for GELU with "
        f"He's initializer, sqrt(chi) is {in_theory:.2f}, but the factor in {depth} layers "
        f"is {gelu:.2f}."
    )


def measure(run: tuple[str, int, int, int, int], work: Work) -> Results:
    """Measures the pairs with one activation: signals `[draws, depth]` and mean factors per layer.

    Inputs have variance 1; for keys with `fixed_`, the forward pass starts at its fixed point.
    """
    activation, depth, width, draws, seed = run
    steps = FirstSteps(seed)
    pairs = {name: pair for name, pair in PAIRS.items() if pair[0] == activation}
    found: Results = {}
    for name, (_, kernel, biases) in pairs.items():
        signals, fixed, input_rms = [], [], theory(name, depth)["input_rms"]
        for _ in range(draws):
            network = mlp.network(activation, depth, width, kernel, biases=biases, inputs=width)
            fixed.append(steps.of(network, input_rms).signal)
            signals.append(steps.of(network).signal)
        found[name] = {"signal": signals, "factor": mean_factor(signals)}
        found[name] |= {"fixed_signal": fixed, "fixed_factor": mean_factor(fixed)}
    return found


def theory(name: str, depth: int) -> dict[str, Any]:
    """Returns what theory predicts: at the fixed point, and by layer for inputs of variance 1."""
    activation, kernel, biases = PAIRS[name]
    prediction = predict(activation, kernel, biases)
    sw2, sb2 = prediction.weight_variance, prediction.bias_variance
    # Inputs cannot have variance 0. Without q*, any start will do: f is linear on each side of 0.
    start = max(prediction.q, 1e-8) if math.isfinite(prediction.q) else sw2
    _, chi = mean_field_path(activation, sw2, sb2, q=sw2 + sb2, depth=depth)
    signal = predicted_signal(chi).tolist()
    return {
        "activation": activation,
        "q": prediction.q,
        "chi": prediction.chi,
        "sqrt_chi": prediction.factor_per_layer,
        "weight_variance": sw2,
        "input_rms": math.sqrt((start - sb2) / sw2),
        "theory_factor": factor_per_layer(signal),
        "theory_signal": signal,
    }
