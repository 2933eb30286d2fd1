"""The record of our diagnoses: what is drawn, what counts as sick, and what published rules say."""

import dataclasses
import json
import math

import numpy as np
import pytest
from scripted_records import model_of, sketch_of, training_of
from small_form import run_small

from experiments.diagnosis_record import datasets
from experiments.diagnosis_record.expected import checks
from experiments.diagnosis_record.faults import FAULTS, FOUR_KINDS
from experiments.diagnosis_record.generator import draw
from experiments.diagnosis_record.judgement import (
    FOUR_RULES,
    PUBLISHED_KIND,
    RULE_OF,
    Judged,
    Rate,
    is_wrong,
    joined,
    summary,
)
from experiments.diagnosis_record.published import PUBLISHED
from experiments.diagnosis_record.training import learned
from vg_keras.record import LayerDescription, Record, VariableDescription
from vg_keras.rules import RULES

NUMBERS = range(120)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    return run_small("diagnosis_record", tmp_path_factory.mktemp("diagnosis_record"))["numbers"]


def test_every_run_and_its_twin_are_trained_and_reported(numbers):
    assert [row["number"] for row in numbers["runs"]] == [1002, 1002, 1003, 1003]
    assert all(row["state"] in ("healthy", "sick", "undecided") for row in numbers["runs"])
    assert set(numbers["rates"]["published"]) == set(PUBLISHED)


# The generator


def test_a_run_depends_on_its_number_only_and_can_be_written_as_json():
    assert [draw(number) for number in NUMBERS] == [draw(number) for number in NUMBERS]
    settings = dataclasses.asdict(draw(7))
    assert json.loads(json.dumps(settings)) == settings


def test_a_twin_differs_in_nothing_but_the_fault():
    run = next(run for run in map(draw, NUMBERS) if run.fault == "dead_bias")
    changed = {
        name for name, value in dataclasses.asdict(run).items() if value != getattr(run.twin, name)
    }

    assert changed == {"fault", "strength", "place"}
    assert run.twin.twin == run.twin


def test_even_and_odd_runs_share_no_data_set_and_both_have_every_fault():
    halves = [[draw(number) for number in NUMBERS if number % 2 == half] for half in (0, 1)]
    data = [{run.data for run in half} for half in halves]

    assert not data[0] & data[1]
    assert data[0] | data[1] == set(datasets.DATA)
    for half in halves:
        assert {run.fault for run in half} - {""} == set(FAULTS)
        assert {run.network for run in half} == {"mlp", "conv", "rnn", "transformer"}


def test_every_fault_fits_its_run_and_names_rules_that_exist():
    for run in map(draw, NUMBERS):
        if run.fault:
            assert FAULTS[run.fault].fits(run)
            assert run.place <= run.depth
    codes = {rule.code for rule in RULES}
    assert set().union(*(fault.codes for fault in FAULTS.values())) == codes
    assert {fault.kind for fault in FAULTS.values()} == set(RULE_OF)
    assert set(RULE_OF.values()) == codes


@pytest.mark.parametrize("name", datasets.DATA)
def test_inputs_of_every_data_set_are_scaled_and_targets_have_their_form(name):
    x, y = datasets.make(name, 3)

    assert len(x) == len(y) == datasets.NUM_EXAMPLES
    if name not in ("majority", "marked"):
        assert 0.5 < np.std(x) < 2.5
    if name in datasets.SEVERAL_CLASSES:
        assert set(y.tolist()) == set(range(datasets.SEVERAL_CLASSES[name]))
    elif name in datasets.REGRESSION:
        assert (y.mean(), y.std()) == pytest.approx((0, 1), abs=1e-5)
    else:
        assert set(y.ravel().tolist()) == {0.0, 1.0}


# What was learned


def test_a_constant_answer_has_learned_nothing_and_a_perfect_one_everything():
    y = np.array([[0.0], [1.0], [1.0], [1.0]])

    assert learned("circles", y, np.full([4, 1], math.log(3))) == pytest.approx(0)
    assert learned("circles", y, 100 * (2 * y - 1)) == pytest.approx(1)
    assert learned("surface", y, np.full([4, 1], 0.75)) == pytest.approx(0)
    assert learned("surface", y, y) == 1


def test_half_of_the_loss_is_a_half():
    labels = np.arange(4)
    # The right class has probability 1/2, so the loss is log(2), half of log(4).
    answers = np.log(np.full([4, 4], 1 / 6) + np.eye(4) / 3)

    assert learned("blobs", labels, answers) == pytest.approx(0.5)


def test_answers_that_are_not_finite_have_learned_less_than_nothing():
    assert learned("surface", np.ones([2, 1]), np.array([[1.0], [math.nan]])) == -math.inf


# Judgement


def judged(fault="", learned=0.9, twin=0.9, ours=(), published=None, number=1):
    run = next(run for run in map(draw, NUMBERS) if run.fault == fault)
    run = dataclasses.replace(run, number=number)
    found = [{"code": code, "first_step": step, "paths": [at]} for code, step, at in ours]
    return Judged(run, learned, twin, found, {"DEFault": published or {}})


@pytest.mark.parametrize(
    ("fault", "learned", "twin", "state"),
    [
        ("", 0.5, 0.5, "healthy"),
        ("", 0.49, 0.49, "undecided"),
        ("", -math.inf, -math.inf, "undecided"),
        ("sigmoid", 0.39, 0.8, "sick"),
        ("sigmoid", 0.41, 0.8, "harmless"),
        ("sigmoid", -math.inf, 0.8, "sick"),
        ("sigmoid", 0.0, 0.4, "undecided"),
    ],
)
def test_the_outcome_decides_what_is_sick(fault, learned, twin, state):
    assert judged(fault, learned, twin).state == state


def test_a_run_is_put_beside_its_twin():
    run = next(run for run in map(draw, NUMBERS) if run.fault)
    results = [
        {"run": dataclasses.asdict(one), "learned": value, "ours": [], "published": {}}
        for one, value in ((run.twin, 0.9), (run, 0.1))
    ]

    assert [(one.learned, one.twin_learned) for one in joined(results)] == [(0.9, 0.9), (0.1, 0.9)]


def test_the_planted_layer_must_be_named_first():
    place = judged("dead_bias").run.place

    assert judged("dead_bias", 0, ours=[("VG201", 5, f"hidden_{place}")]).is_named is True
    assert judged("dead_bias", 0, ours=[("VG201", 5, f"hidden_{place}/kernel")]).is_named is True
    assert judged("dead_bias", 0, ours=[("VG201", 5, f"hidden_{place}0")]).is_named is False
    assert judged("dead_bias", 0, ours=[("VG402", 5, f"hidden_{place}")]).is_named is None
    assert judged("large_rate", 0, ours=[("VG402", 5, "hidden_1/kernel")]).is_named is None


def test_the_rates_of_some_runs():
    runs = [
        judged("sigmoid", 0.0, ours=[("VG101", 10, "hidden_1")], published={"vanishing": 5}),
        judged("sigmoid", 0.0, ours=[("VG402", 10, "hidden_1")], published={"dead": 5}),
        judged("sigmoid", 0.9, ours=[]),
        judged("large_weights", 0.0, ours=[("VG301", 20, "hidden_2")], published={"exploding": 0}),
        judged(ours=[("VG201", 5, "hidden_1")], published={"updates": 0}),
        judged(ours=[("VG401", 5, "hidden_1")], published={"vanishing": 0, "updates": 0}),
        judged(),
    ]
    found = summary(runs)

    together = found["together"]
    assert together["recall"] == Rate(2, 3)
    assert together["false_alarms"] == Rate(1, 3)
    assert together["named"] == Rate(1, 2)
    assert together["steps"] == 15
    assert found["by_kind"]["vanishing"]["recall"] == Rate(1, 2)
    assert found["by_kind"]["dead"]["false_alarms"] == Rate(1, 3)
    assert found["any_rule_on_healthy"] == Rate(2, 3)
    assert found["published"]["DEFault"]["recall"] == Rate(2, 3)
    assert found["published"]["DEFault"]["false_alarms"] == Rate(1, 3)
    assert found["published"]["DEFault"]["false_alarms_of_all"] == Rate(2, 3)
    assert found["confusion"]["vanishing"] == {"VG101": 1, "VG402": 1}
    assert found["confusion"]["healthy"] == {"VG201": 1, "VG401": 1, "none": 1}
    assert found["states"] == {"sick": 3, "harmless": 1, "healthy": 3}
    assert [is_wrong(run) for run in runs] == [False, True, False, False, True, True, False]


@pytest.mark.parametrize(
    ("hits", "number", "low", "high"),
    # By hand: center (hits + z²/2) / (n + z²), half z / (n + z²) sqrt(hits (n - hits) / n + z²/4).
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)],
)
def test_intervals_are_wilsons(hits, number, low, high):
    assert Rate(hits, number).interval == pytest.approx((low, high), abs=1e-4)


def test_a_rate_of_nothing_is_not_a_number():
    assert math.isnan(Rate(0, 0).value)
    assert all(map(math.isnan, Rate(0, 0).interval))


def test_the_four_kinds_are_those_of_the_goal():
    assert tuple(PUBLISHED_KIND) == FOUR_KINDS
    assert FOUR_RULES == ("VG101", "VG102", "VG201", "VG301")


def test_goals_hold_just_at_the_limit_and_fail_beyond():
    def failed(recall, false_alarms, named):
        rates = {"recall": recall, "false_alarms": false_alarms, "named": named}
        by_kind = {kind: {"recall": Rate(1, 1)} for kind in RULE_OF}
        other = {"recall": Rate(1, 2), "false_alarms": Rate(0, 2)}
        found = checks({"together": rates, "by_kind": by_kind, "published": {"DEFault": other}})
        return [check.what.split(",")[0] for check in found if not check.held]

    assert failed(Rate(95, 100), Rate(2, 100), Rate(9, 10)) == []
    assert failed(Rate(94, 100), Rate(2, 100), Rate(9, 10)) == ["sick runs that are found"]
    assert len(failed(Rate(95, 100), Rate(3, 100), Rate(8, 10))) == 2
    assert len(failed(Rate(1, 2), Rate(1, 2), Rate(9, 10))) == 3


# Published rules


KERNELS = [f"hidden_{i}/kernel" for i in (1, 2, 3)]


def scripted(*records, activation="relu"):
    layers = [
        LayerDescription(
            path.removesuffix("/kernel"),
            "Dense",
            activation,
            (VariableDescription(path, (4, 4), "float32"),),
            (None, 4),
        )
        for path in KERNELS
    ]
    return training_of(*records, model=model_of(*layers))


def record_of(step=0, gradients=(1.0, 1.0, 1.0), outputs=(0.0, 1.0), update=1e-3, **how):
    """A record whose gradients are constant in each kernel."""
    values = dict(zip(KERNELS, gradients, strict=True))
    fields = {
        "gradients": {path: sketch_of(np.broadcast_to(v, 10)) for path, v in values.items()},
        "activations": {path.removesuffix("/kernel"): sketch_of(outputs) for path in KERNELS},
        "update_norms": dict.fromkeys(KERNELS, update),
        "weight_norms": dict.fromkeys(KERNELS, 1.0),
    }
    return Record(step, 0.0, **fields | how)


def fired(system, *records, activation="relu"):
    training = scripted(*records, activation=activation)
    rules = PUBLISHED[system]
    return {r.kind for r in rules if r.first_step(training) is not None}


@pytest.mark.parametrize("system", PUBLISHED)
def test_a_healthy_record_fires_no_published_rule(system):
    assert fired(system, record_of(), record_of(5)) == set()


@pytest.mark.parametrize(
    ("system", "quiet", "loud"),
    [
        ("AutoTrainer", (2e-5, 1.0, 1e-2), (9e-6, 1.0, 1e-2)),
        ("DeepDiagnosis", (1.1e-7, 1.0, 1.0), (9e-8, 1.0, 1.0)),
        ("TheDeepChecker", (1.1e-6, 1.0, 1.0), (9e-7, 1.0, 1.0)),
        ("SageMaker", (1.1e-7, 1.0, 1.0), (9e-8, 1.0, 1.0)),
        ("DEFault", (1.1e-4, 1.0, 1.0), (9e-5, 1.0, 1.0)),
    ],
)
def test_the_thresholds_of_vanishing(system, quiet, loud):
    assert fired(system, record_of(gradients=quiet)) == set()
    assert fired(system, record_of(gradients=loud)) == {"vanishing"}


@pytest.mark.parametrize(
    ("system", "quiet", "loud"),
    [
        ("AutoTrainer", (69.0, 1.0, 1.0), (71.0, 1.0, 1.0)),
        ("DeepDiagnosis", (1e30, 1.0, 1.0), (math.inf, 1.0, 1.0)),
        ("TheDeepChecker", (9e5, 1.0, 1.0), (1.1e6, 1.0, 1.0)),
        ("SageMaker", (1e30, 1.0, 1.0), (math.nan, 1.0, 1.0)),
        ("DEFault", (69.0, 1.0, 1.0), (71.0, 1.0, 1.0)),
    ],
)
def test_the_thresholds_of_exploding(system, quiet, loud):
    assert fired(system, record_of(gradients=quiet)) == set()
    assert fired(system, record_of(gradients=loud)) == {"exploding"}


@pytest.mark.parametrize("system", ["AutoTrainer", "DEFault"])
def test_zeros_of_a_gradient_count_only_where_there_are_rectifiers(system):
    gradient = np.array([0.0] * 7 + [1.0] * 3)
    record = record_of(gradients=(gradient, 1.0, 1.0))

    assert fired(system, record) == {"dead"}
    assert fired(system, record, activation="tanh") == set()


def test_dead_units_and_zero_outputs():
    dead = record_of(dead_units={"hidden_2": 0.5})

    assert fired("TheDeepChecker", dead) == fired("SageMaker", dead) == {"dead"}
    assert fired("DeepDiagnosis", record_of(outputs=[0.0] * 7 + [1.0] * 3)) == {"dead"}


def test_a_mean_gradient_that_doubles_or_halves_five_times_in_a_row():
    def records(factor, number):
        return [record_of(i, (factor**i, 1.0, 1.0)) for i in range(number)]

    assert fired("TheDeepChecker", *records(2.0, 5)) == set()
    assert fired("TheDeepChecker", *records(2.0, 6)) == {"exploding"}
    assert fired("TheDeepChecker", *records(0.5, 6)) == {"vanishing"}


def test_saturated_sigmoids_are_read_from_their_outputs():
    assert fired("SageMaker", record_of(outputs=[0.5, 0.999]), activation="sigmoid") == set()
    assert fired("SageMaker", record_of(outputs=[1.0, 1.0]), activation="sigmoid") == {"saturated"}
    assert fired("SageMaker", record_of(outputs=[1e-11] * 2), activation="sigmoid") == {"saturated"}


@pytest.mark.parametrize(
    ("system", "quiet", "loud"),
    [
        ("DeepDiagnosis", (1.1e-5, 0.09), (0.9e-5, 0.11)),
        ("TheDeepChecker", (1.1e-4, 0.09), (0.9e-4, 0.11)),
        ("SageMaker", (1.1e-8, 9.0), (0.9e-8, 11.0)),
    ],
)
def test_the_thresholds_of_updates(system, quiet, loud):
    for update in quiet:
        assert fired(system, record_of(update=update)) == set()
    for update in loud:
        assert fired(system, record_of(update=update)) == {"updates"}
