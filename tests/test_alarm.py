"""What the user is told about problems, and what happens then."""

import logging
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from small_models import compiled

import vg_keras
from vg_keras import GradientMonitor
from vg_keras.alarm import Alarm, TrainingProblem, checked_on_problem
from vg_keras.rules import Diagnosis, Rule
from vg_keras.rules.examine_log import examine_log

pytestmark = pytest.mark.usefixtures("graphs_as_traced")

ERROR = Diagnosis("VG1", "bad", "error", "it is bad.", (), 0, 0, {}, ("Do this.",))
WARNING = Diagnosis("VG2", "odd", "warning", "it is odd.", (), 0, 0, {}, ("Do that.",))
TEXT = f"GradientMonitor found a problem.\n{ERROR}\n  More: {ERROR.page}\n"


def given(on_problem, *diagnoses, is_mid_line=False):
    """Gives some problems, and returns the model."""
    model = SimpleNamespace(stop_training=False)
    alarm = Alarm(on_problem)
    for diagnosis in diagnoses:
        alarm.post(diagnosis)
    alarm.give(model, is_mid_line)
    alarm.give(model, is_mid_line)
    return model


def test_a_problem_is_printed_once(capsys):
    model = given("warn", ERROR)

    assert capsys.readouterr().out == TEXT
    assert not model.stop_training


def test_a_problem_survives_a_progress_bar(capsys):
    given("warn", ERROR, is_mid_line=True)

    assert capsys.readouterr().out == f"\n{TEXT}"


def test_without_interactive_logging_a_problem_is_logged(capsys, caplog):
    keras.config.disable_interactive_logging()
    try:
        given("warn", ERROR)
    finally:
        keras.config.enable_interactive_logging()

    assert capsys.readouterr().out == ""
    assert [(r.name, r.levelno, r.message) for r in caplog.records] == [
        ("vg_keras", logging.WARNING, TEXT.rstrip("\n"))
    ]


def test_only_an_error_stops_training(capsys):
    assert not given("stop", WARNING).stop_training
    assert given("stop", ERROR).stop_training
    assert "\n  `model.stop_training` is set.\n" in capsys.readouterr().out


def test_only_an_error_is_raised():
    given("raise", WARNING)
    with pytest.raises(TrainingProblem, match="VG1 bad, step 0: it is bad") as caught:
        given("raise", WARNING, ERROR)

    assert caught.value.diagnosis is ERROR


def test_a_function_is_called_with_each_problem(capsys):
    found = []
    given(found.append, WARNING, ERROR)

    assert found == [WARNING, ERROR]
    assert capsys.readouterr().out == ""


def test_none_says_nothing(capsys):
    given(None, ERROR)

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("value", ["ignore", 1, True])
def test_another_action_is_rejected(value):
    with pytest.raises(
        ValueError, match=rf"^`on_problem` must be .* Received: on_problem={value!r}"
    ):
        checked_on_problem(value)


X, Y = np.ones([8, 3], np.float32), np.full([8, 1], np.nan, np.float32)


def diverging():
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(2), keras.layers.Dense(1)])
    return compiled(model)


def fit(monitor, verbose=0, epochs=4):
    return diverging().fit(X, Y, batch_size=4, epochs=epochs, verbose=verbose, callbacks=[monitor])


def test_fit_tells_of_a_problem_once_and_sums_up(capsys, tmp_path):
    monitor = GradientMonitor(tmp_path)
    fit(monitor, verbose=2)
    out = capsys.readouterr().out

    assert out.count("GradientMonitor found a problem.\nVG301 non-finite, step 0: ") == 1
    assert out.index("found a problem") < out.index("Epoch 2/4")
    assert out.endswith(
        "GradientMonitor: 1 problem found in 4 records, steps 0 to 5.\n"
        "VG301 non-finite, steps 0 to 5: 4 values of the data are NaN or infinite.\n"
        "  Try: Look for NaN and infinity in the arrays or the dataset that `fit` gets.\n"
        f"To look at it: tensorboard --logdir {tmp_path}\n"
    )


def test_fit_stops_if_the_user_wants_that():
    history = fit(GradientMonitor(None, "batch", on_problem="stop"))

    assert len(history.epoch) == 1


def test_fit_raises_if_the_user_wants_that():
    monitor = GradientMonitor(None, "batch", on_problem="raise")
    with pytest.raises(vg_keras.TrainingProblem, match="VG301"):
        fit(monitor)

    assert [diagnosis.code for diagnosis in monitor.diagnoses] == ["VG301"]
    assert fit(GradientMonitor(None)).epoch == [0, 1, 2, 3]


def test_with_verbose_0_problems_are_told_and_nothing_is_summed_up(capsys):
    fit(GradientMonitor(None))
    out = capsys.readouterr().out

    assert out.startswith("GradientMonitor found a problem.")
    assert "problem found in" not in out


def test_a_silenced_rule_says_nothing(capsys):
    monitor = GradientMonitor(None, ignore=["VG301"])
    fit(monitor)

    assert capsys.readouterr().out == ""
    assert monitor.diagnoses == ()


def test_an_unknown_rule_can_not_be_silenced():
    with pytest.raises(ValueError, match=r"^`ignore` must name rules: VG101, .* Received: VG9\.$"):
        GradientMonitor(None, ignore=["VG9"])


class Broken(Rule):
    code, name, severity, needs, advice = "X1", "broken", "error", (), ()

    def start(self, training):
        return lambda record: 1 / 0


def test_a_rule_that_fails_is_one_warning_and_loses_no_record():
    monitor = GradientMonitor(None, "batch", rules=[Broken()])
    with pytest.warns(UserWarning, match=r"^X1 broken is not applied: it fails: ZeroD") as caught:
        fit(monitor)

    assert len(caught) == 1
    assert len(monitor.records) == 8


def test_a_loop_is_told_after_its_step(capsys):
    model, monitor = diverging(), GradientMonitor(None, "batch", on_problem="stop")
    with monitor.watch(model) as watch:
        for _ in range(3):
            with watch.step():
                model.train_on_batch(X, Y)
    out = capsys.readouterr().out

    assert out.count("GradientMonitor found a problem.") == 1
    assert model.stop_training


def test_a_monitor_describes_itself():
    monitor = GradientMonitor(None)
    before = repr(monitor), str(monitor)
    fit(monitor)

    assert before == (
        "<GradientMonitor: 0 records in memory, no problems>",
        "GradientMonitor: nothing has been recorded yet.",
    )
    assert repr(monitor) == "<GradientMonitor: 4 records in memory, 1 problem>"
    assert str(monitor) == str(monitor.verdict)


def test_live_and_from_the_log_the_verdict_is_the_same_to_the_step(tmp_path):
    monitor = GradientMonitor(tmp_path, "batch")
    fit(monitor)
    (found,) = examine_log(str(tmp_path))

    assert found.verdict == monitor.verdict
    assert found.verdict.diagnoses == monitor.diagnoses != ()


def test_a_second_fit_of_a_sick_model_is_diagnosed_too():
    hidden = [keras.layers.Dense(8, "sigmoid") for _ in range(8)]
    model = compiled(keras.Sequential([keras.Input([3]), *hidden, keras.layers.Dense(1)]))
    x, y = np.random.default_rng(0).normal(size=[8, 3]), np.ones([8, 1])
    model.fit(x, y, verbose=0)
    monitor = GradientMonitor(None, on_problem=None)
    model.fit(x, y, verbose=0, callbacks=[monitor])

    assert [diagnosis.code for diagnosis in monitor.diagnoses] == ["VG101"]
