"""Requests are answered for runs under the log directory, and everything else is refused."""

import pytest
from flow_logs import RECORDS, training, write
from werkzeug.datastructures import MultiDict

from vg_keras.comparison import MAX_RUNS
from vg_keras.plugin.requests import MAX_COLUMNS, Answers, RefusedError

KEY = f"a/gradients:{training().id}"


@pytest.fixture
def answers(tmp_path):
    write(tmp_path / "logs" / "a" / "gradients")
    write(tmp_path / "outside" / "gradients", number=2)
    return Answers(str(tmp_path / "logs"))


def query(**parameters):
    pairs = [(n, v) for n, vs in parameters.items() for v in (vs if isinstance(vs, list) else [vs])]
    return MultiDict(pairs)


def test_every_training_run_of_a_run_has_a_key(tmp_path, answers):
    write(tmp_path / "logs" / "a" / "gradients", number=2, name="tfevents.2")
    found = answers.runs()

    assert [run["key"] for run in found["runs"]] == [KEY, f"a/gradients:{training(2).id}"]
    assert found["max_runs"] == MAX_RUNS
    assert found["remote"] == found["errors"] == []
    for run in found["runs"]:
        (flow,) = answers.flow(query(key=run["key"]))["runs"]
        assert (flow["key"], flow["steps"]) == (run["key"], [0, 5, 10, 20])


def test_an_unchanged_view_is_not_sent_again(tmp_path, answers):
    first = answers.flow(query(key=KEY))
    again = answers.flow(query(key=KEY, tag=first["tag"]))
    write(tmp_path / "logs" / "a" / "gradients", RECORDS[:1], number=1, name="tfevents.2")
    more = answers.flow(query(key=KEY, tag=first["tag"]))

    assert again == {"tag": first["tag"], "is_unchanged": True}
    assert more["is_unchanged"] is False
    assert more["runs"][0]["num_records"] == 5


def test_steps_and_columns_can_be_chosen(answers):
    (some,) = answers.flow(query(key=KEY, first="5", stop="20"))["runs"]
    (few,) = answers.flow(query(key=KEY, columns="2"))["runs"]

    assert some["steps"] == [5, 10]
    assert (few["steps"], few["last_steps"]) == ([0, 20], [10, 20])


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ({}, 400, "`key` must be given 1 to 8 times. Received: 0 keys."),
        ({"key": [KEY] * (MAX_RUNS + 1)}, 400, "Received: 9 keys."),
        ({"key": "nothing"}, 404, "`key` must be one of those in /runs. Received: key='nothing'."),
        ({"key": "a/gradients:other"}, 404, "Received: key='a/gradients:other'."),
        ({"key": f"../outside/gradients:{training(2).id}"}, 404, "`key` must be one of those"),
        ({"key": f"a/../../outside/gradients:{training(2).id}"}, 404, "`key` must be one of"),
        ({"key": f"/etc:{training().id}"}, 404, "`key` must be one of those in /runs."),
        ({"key": KEY, "quantity": "loss"}, 400, "`quantity` must be one of activation_gradients,"),
        ({"key": KEY, "quantity": "<b>"}, 400, "Received: quantity='<b>'."),
        ({"key": KEY, "columns": "0"}, 400, "`columns` must be 1 to 2000. Received: columns=0."),
        ({"key": KEY, "columns": str(MAX_COLUMNS + 1)}, 400, "Received: columns=2001."),
        ({"key": KEY, "columns": "many"}, 400, "`columns` must be a natural number."),
        ({"key": KEY, "first": "-1"}, 400, "`first` must be a natural number."),
        ({"key": KEY, "stop": "1e3"}, 400, "Received: stop='1e3'."),
        ({"key": KEY, "stop": "²"}, 400, "`stop` must be a natural number."),
        ({"key": KEY, "first": "9" * 30}, 400, "`first` must be a natural number."),
    ],
)
def test_what_is_invalid_is_refused(answers, parameters, code, message):
    with pytest.raises(RefusedError) as caught:
        answers.flow(query(**parameters))

    assert caught.value.code == code
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"path": "../../etc/passwd"}, "Received: path='../../etc/passwd'."),
        ({}, "`path` must be the path of a layer or a variable."),
        ({"path": "hidden_1", "quantity": "gradients"}, "Received: path='hidden_1'."),
        (
            {"path": "hidden_1/kernel", "quantity": "update_ratio"},
            "There are no histograms of update ratio.",
        ),
    ],
)
def test_histograms_of_what_is_not_recorded_are_refused(answers, parameters, message):
    with pytest.raises(RefusedError) as caught:
        answers.histogram(query(key=KEY, **parameters))

    assert caught.value.code == 404
    assert message in str(caught.value)


def test_remote_directories_are_reported():
    assert Answers("gs://bucket/logs").runs()["remote"] == ["gs://bucket/logs"]
