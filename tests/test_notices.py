"""Every warning is given once, in the thread of the user, wherever it was posted."""

import threading
import warnings

import pytest

from vg_keras.notices import Notices


def warned(function):
    """The texts of the warnings that a function gives, and what it raises is raised."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(warning.message) for warning in caught]


def test_the_same_warning_is_given_once():
    notices = Notices()
    found = [warned(lambda text=text: notices.warn_once(text)) for text in ("a", "b", "a")]

    assert found == [["a"], ["b"], []]


def test_each_monitor_gives_its_own_warnings():
    assert [warned(lambda: Notices().warn_once("a")) for _ in range(2)] == [["a"], ["a"]]


def test_posted_warnings_are_given_in_order_and_once():
    notices = Notices()
    on_post = warned(lambda: [notices.post(text) for text in ("a", "b", "a")])
    found = [warned(notices.give) for _ in range(2)]

    assert on_post == []
    assert found == [["a", "b"], []]


def test_a_warning_that_was_given_is_not_given_again_when_posted():
    notices = Notices()
    first = warned(lambda: notices.warn_once("a"))
    notices.post("a")

    assert first == ["a"]
    assert warned(notices.give) == []


def test_another_thread_posts_and_this_one_warns():
    notices = Notices()
    thread = threading.Thread(target=notices.post, args=["a"])
    on_post = warned(lambda: (thread.start(), thread.join()))

    assert on_post == []
    assert warned(notices.give) == ["a"]


def test_where_warnings_are_errors_the_others_come_next_time():
    notices = Notices()
    notices.post("a")
    notices.post("b")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match=r"^a$"):
            notices.give()

    assert warned(notices.give) == ["b"]
