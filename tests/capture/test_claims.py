"""One thread at a time trains a model, or with a monitor."""

import threading

import pytest

from vg_keras.capture import claims


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


def test_a_thread_may_claim_and_check_as_often_as_it_likes():
    used = Used()
    for _ in range(2):
        claims.claim(used)
        claims.check(used)


def test_who_has_claimed_last_goes_on_and_the_other_one_is_told():
    used = Used()
    claims.claim(used)
    errors = in_another_thread(lambda: (claims.claim(used), claims.check(used)))

    assert errors == []
    with pytest.raises(RuntimeError, match="Another thread has begun to train the same model"):
        claims.check(used)


def test_what_was_released_is_free():
    used = Used()
    in_another_thread(lambda: (claims.claim(used), claims.release(used)))
    claims.check(used)


def test_what_another_thread_has_claimed_is_not_released():
    used = Used()
    in_another_thread(lambda: claims.claim(used))
    claims.release(used)
    with pytest.raises(RuntimeError):
        claims.check(used)


def test_only_one_thread_watches_a_model():
    used = Used()

    def watch():
        with claims.alone_with(used):
            pass

    with claims.alone_with(used):
        watch()  # the same thread, within
        during = in_another_thread(watch)
    after = in_another_thread(watch)

    assert len(during) == 1
    assert during[0].startswith("Another thread records a step of the model 'used'")
    assert after == []


def test_a_model_is_free_after_an_error():
    used = Used()
    with pytest.raises(KeyError), claims.alone_with(used):
        raise KeyError

    assert in_another_thread(lambda: claims.alone_with(used).__enter__()) == []
