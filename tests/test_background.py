"""Tasks that run in the background of training."""

import threading
import time

from vg_keras.background import MAX_WAITING, Background


def ignore(seconds):
    pass


def test_tasks_run_in_another_thread_in_order():
    background, seen = Background(), []
    for number in range(10):
        background.run(lambda n: seen.append((n, threading.current_thread())), number, done=ignore)
    background.wait()

    assert [number for number, _ in seen] == list(range(10))
    assert {thread for _, thread in seen} != {threading.current_thread()}
    background.close()


def test_submitting_too_many_tasks_blocks():
    background, gate, begun = Background(), threading.Event(), []

    def task(number):
        begun.append(number)
        gate.wait(10)

    for number in range(MAX_WAITING + 1):
        background.run(task, number, done=ignore)
    third = threading.Thread(target=background.run, args=(task, 9), kwargs={"done": ignore})
    third.start()
    third.join(0.2)
    was_waiting = third.is_alive()
    gate.set()
    third.join(10)
    background.close()

    assert was_waiting
    assert begun == [*range(MAX_WAITING + 1), 9]


def test_the_cpu_time_of_a_task_is_reported():
    background, told = Background(), []
    background.run(lambda: sum(range(10**6)), done=told.append)
    background.run(lambda: time.sleep(0.2), done=told.append)
    background.close()

    assert told[0] > 0
    assert told[1] < 0.1


def test_a_closed_one_has_no_thread_and_can_run_again():
    background, seen, before = Background(), [], threading.active_count()
    for number in range(2):
        background.run(seen.append, number, done=ignore)
        background.close()

    assert seen == [0, 1]
    assert threading.active_count() == before
