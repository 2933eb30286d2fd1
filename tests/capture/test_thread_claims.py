"""Only one thread at a time may train a model or use a monitor."""

import threading

import pytest

from vg_keras.capture import thread_claims


class Used:
    name = "used"


def in_another_thread(function):
    errors = []

    def run():
        try:
            function()
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return errors


def test_a_thread_may_claim_and_check_repeatedly():
    used = Used()
    for _ in range(2):
        thread_claims.claim(used)
        thread_claims.check(used)


def test_the_latest_claim_wins_and_the_other_thread_gets_an_error():
    used = Used()
    thread_claims.claim(used)
    errors = in_another_thread(lambda: (thread_claims.claim(used), thread_claims.check(used)))

    assert errors == []
    with pytest.raises(RuntimeError, match="Another thread started training the same model"):
        thread_claims.check(used)


def test_a_released_object_can_be_claimed_again():
    used = Used()
    in_another_thread(lambda: (thread_claims.claim(used), thread_claims.release(used)))
    thread_claims.check(used)


def test_a_thread_cannot_release_the_claim_of_another():
    used = Used()
    in_another_thread(lambda: thread_claims.claim(used))
    thread_claims.release(used)
    with pytest.raises(RuntimeError):
        thread_claims.check(used)


def test_only_one_thread_can_watch_a_model():
    used = Used()

    def watch():
        with thread_claims.alone_with(used):
            pass

    with thread_claims.alone_with(used):
        watch()  # nested, in the same thread
        during = in_another_thread(watch)
    after = in_another_thread(watch)

    assert len(during) == 1
    assert during[0].startswith("Another thread is recording a step of the model 'used'")
    assert after == []


def test_a_model_is_released_after_an_error():
    used = Used()
    with pytest.raises(KeyError), thread_claims.alone_with(used):
        raise KeyError

    assert in_another_thread(lambda: thread_claims.alone_with(used).__enter__()) == []
