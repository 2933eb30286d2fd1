"""Rules over a whole training run: what is reported, since when, and what is silenced."""

import pytest
from scripted import HIDDEN, KERNELS, MODEL, by_layer, network, record_at, with_nan
from scripted_records import training_of

from vg_keras.record import Settings
from vg_keras.rules import Examination, diagnose
from vg_keras.rules.vanishing_gradient import VanishingGradient

SLOW = [1e-9, 1e-8, 1e-7, 1e-6, 1e-3, 1e-3]


def vanishing(step):
    return record_at(step, by_layer(0.1), updates=SLOW)


RECORDS = [record_at(0), vanishing(2), vanishing(5), record_at(9)]


def test_a_healthy_run_has_no_diagnosis():
    assert diagnose(training_of(*map(record_at, range(30)), model=MODEL)) == ()


def test_a_problem_is_one_diagnosis_with_its_first_and_last_step():
    (diagnosis,) = diagnose(training_of(*RECORDS, model=MODEL))

    assert (diagnosis.code, diagnosis.severity) == ("VG101", "error")
    assert (diagnosis.first_step, diagnosis.last_step) == (2, 5)
    assert diagnosis.paths == (HIDDEN[0],)
    assert diagnosis.advice


def test_live_a_diagnosis_is_new_once_and_the_same_as_afterwards():
    examination = Examination(training_of(model=MODEL))
    new = [examination.update(record) for record in RECORDS]

    assert [len(diagnoses) for diagnoses in new] == [0, 1, 0, 0]
    assert examination.diagnoses == diagnose(training_of(*RECORDS, model=MODEL))


def test_the_most_serious_problem_comes_first():
    bad = {"gradients": with_nan(KERNELS, KERNELS[0]), "without_gradient": (KERNELS[3],)}
    found = diagnose(training_of(*(record_at(s, **bad) for s in range(3)), model=MODEL))

    assert [diagnosis.code for diagnosis in found] == ["VG301", "VG501"]
    assert (found[0].first_step, found[0].last_step) == (0, 2)


def test_advice_of_the_finding_replaces_that_of_the_rule():
    model = network("tanh", "RandomNormal")
    records = [record_at(0, by_layer(0.1), updates=SLOW)]
    in_general, in_particular = (
        diagnose(training_of(*records, model=m))[0].advice for m in (MODEL, model)
    )

    assert in_general == VanishingGradient.advice
    assert in_particular != in_general


def test_a_rule_without_the_quantities_it_needs_is_named_and_not_applied():
    settings = Settings(quantities=("gradients", "loss"))
    examination = Examination(training_of(model=MODEL, settings=settings))
    for record in RECORDS:
        examination.update(record)

    assert examination.diagnoses == ()
    assert str(examination.not_applied[1]) == (
        "VG101 vanishing-gradient is not applied: activation_gradients is not recorded."
    )


def test_a_log_that_does_not_say_what_it_records_lacks_nothing():
    assert Examination(training_of(model=MODEL)).not_applied == ()


@pytest.mark.parametrize("entry", ["VG101", "VG101:net/hidden_*"])
def test_a_rule_can_be_silenced_everywhere_or_for_some_layers(entry):
    assert diagnose(training_of(*RECORDS, model=MODEL), ignore=[entry]) == ()


def test_a_rule_silenced_for_other_layers_still_speaks():
    assert len(diagnose(training_of(*RECORDS, model=MODEL), ignore=["VG101:other/*"])) == 1


def test_a_threshold_can_be_changed():
    assert diagnose(training_of(*RECORDS, model=MODEL), [VanishingGradient(decades=5)]) == ()


def test_an_unknown_code_is_rejected():
    with pytest.raises(ValueError, match=r"`ignore` must name rules: VG101, .* Received: VG999\."):
        Examination(training_of(), ignore=["VG999"])


@pytest.mark.parametrize("rules", [[VanishingGradient], ["VG101"], "VG101"])
def test_what_is_no_rule_is_rejected(rules):
    with pytest.raises(TypeError, match=r"^`rules` must be a list of instances of"):
        Examination(training_of(), rules)


def test_what_can_not_be_ignored_is_rejected():
    with pytest.raises(TypeError, match=r"^`ignore` must be a list of strings\."):
        Examination(training_of(), ignore=[5])


class Failing(VanishingGradient):
    code, name = "X1", "failing"

    def start(self, training):
        return lambda record: 1 / 0


class NotStarting(VanishingGradient):
    code, name = "X2", "not-starting"

    def start(self, training):
        return training.model.nothing


def test_a_rule_that_fails_does_not_stop_the_others():
    examination = Examination(training_of(model=MODEL), [Failing(), NotStarting()])
    for record in RECORDS:
        examination.update(record)

    assert [diagnosis.code for diagnosis in examination.diagnoses] == ["VG101"]
    failed = [(one.code, one.error) for one in examination.not_applied]
    assert [code for code, _ in failed] == ["X2", "X1"]
    assert failed[0][1].startswith("AttributeError(")
    assert str(examination.not_applied[1]) == (
        "X1 failing is not applied: it fails: ZeroDivisionError('division by zero')."
    )


def test_layers_that_are_found_later_are_added():
    both = {HIDDEN[0]: 0.0, HIDDEN[1]: 0.0}
    dead = {"dead_unit_examples": dict.fromkeys(both, 500)}
    records = [
        record_at(0, dead_units=both | {HIDDEN[1]: 1.0}, **dead),
        record_at(9, dead_units=both | {HIDDEN[0]: 1.0}, **dead),
    ]
    (diagnosis,) = diagnose(training_of(*records, model=MODEL))

    assert diagnosis.paths == (HIDDEN[1], HIDDEN[0])


def test_rules_that_need_the_first_loss_are_not_applied_to_a_resumed_run():
    examination = Examination(training_of(model=MODEL, resumed_from=9))

    assert [one.code for one in examination.not_applied] == ["VG202", "VG402", "VG401"]
    assert str(examination.not_applied[0]).endswith("the loss of the first steps is not recorded.")
