"""Mean-field theory against the first step of networks: the small form, theory, and the numbers."""

import math

import keras
import numpy as np
import pytest
from small_form import run_small

from experiments.common.factors import factor_per_layer
from experiments.common.sweep import Work
from experiments.mean_field.expected import VARIANCES, checks
from experiments.mean_field.experiment import PAIRS, answer, measure, theory
from experiments.mean_field.figure import BY_LAYER
from vg_keras.theory import ACTIVATIONS

WORST = "factor per layer with inputs of variance 1, relative to theory: worst pair"


def test_the_small_form_measures_every_pair_from_both_starts(tmp_path, monkeypatch):
    # Only those that the checks, the figure and the answer need; all would take twice as long.
    for name in {*PAIRS} - {*VARIANCES, *BY_LAYER}:
        monkeypatch.delitem(PAIRS, name)
    results = run_small("mean_field", tmp_path)["numbers"]

    assert set(results) == set(PAIRS)
    for numbers in results.values():
        for start in ("", "fixed_"):
            factor = factor_per_layer(numbers[f"{start}signal"][0])
            assert np.shape(numbers[f"{start}signal"]) == (1, 4)
            assert numbers[f"{start}factor"] == pytest.approx(factor, rel=1e-4)


def test_every_activation_that_theory_knows_has_pairs():
    assert {activation for activation, *_ in PAIRS.values()} == set(ACTIVATIONS)


@pytest.mark.parametrize("name", PAIRS)
def test_inputs_of_theorys_size_start_at_the_fixed_point(name):
    found = theory(name, 3)
    kernel, biases = (keras.initializers.get(initializer) for initializer in PAIRS[name][1:])
    kernel, biases = np.array(kernel([500, 500])), np.array(biases([500]))
    inputs = found["input_rms"] * np.random.default_rng(0).normal(size=[40, 500]) @ kernel + biases
    slopes = ACTIVATIONS[PAIRS[name][0]].derivative(inputs)

    assert 500 * np.var(kernel) == pytest.approx(found["weight_variance"], rel=0.02)
    assert found["weight_variance"] * np.mean(slopes**2) == pytest.approx(found["chi"], rel=0.08)
    if 0 < found["q"] < np.inf:
        assert np.mean(inputs**2) == pytest.approx(found["q"], rel=0.15)


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "gelu"])
def test_ten_layers_of_512_units_agree_with_theory(activation, tmp_path):
    for name, found in measure((activation, 10, 512, 1, 1), Work(tmp_path, None, "cpu")).items():
        assert found["fixed_factor"] == pytest.approx(theory(name, 10)["sqrt_chi"], rel=0.05)
        assert found["factor"] == pytest.approx(theory(name, 10)["theory_factor"], rel=0.05)


def perfect():
    """Returns the results of networks that are exactly as theory says."""
    found = {name: theory(name, 10) for name in PAIRS}
    for one in found.values():
        one |= {"factor": one["theory_factor"], "fixed_factor": one["sqrt_chi"]}
    return found


def test_all_claims_hold_for_theorys_own_values():
    found = [*checks(perfect())]

    assert all(check.held for check in found)
    assert sum("expected.py" in check.source for check in found) == 19
    assert answer(perfect(), 10).startswith("Yes: for 19 pairs, with factors from 0.205 to 1.58")


@pytest.mark.parametrize(
    ("name", "key", "change", "failing"),
    [
        ("GELU, He", "fixed_factor", 1.06, ["GELU, He: factor per layer at the fixed point"]),
        ("GELU, He", "factor", 0.94, [WORST]),
        ("GELU, He", "factor", math.nan, [WORST]),
        ("ReLU, He", "factor", 1.06, [WORST, "ReLU, He: factor per layer with inputs of var"]),
        ("sigmoid, He", "q", 1 + 3e-6, ["sigmoid, He: q* in theory"]),
        ("tanh, standard", "sqrt_chi", 1 + 2e-4, ["tanh, standard: sqrt(chi) in theory"]),
        ("sigmoid, He", "weight_variance", 0.8, ["sigmoid: largest factor per layer, relative to"]),
    ],
)
def test_claims_fail_for_differing_values(name, key, change, failing):
    results = perfect()
    results[name][key] *= change
    found = [check.what for check in checks(results) if not check.held]

    assert all(map(str.startswith, found, failing))
    assert len(found) == len(failing)
