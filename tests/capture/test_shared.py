"""Values created for an object are cached with it under a key, and freed with it."""

import gc
import weakref

import pytest

from vg_keras.capture.shared import MAX_KEPT, shared


class Owner:
    def method(self):
        pass


class Value:
    pass


class ByValue:
    """An unhashable key, such as a setting that contains a list."""

    __hash__ = None

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value


def test_a_value_is_created_once_per_object_and_key():
    one, other = Owner(), Owner()
    first = shared(one, "a", Value)

    assert shared(one, "a", Value) is first
    assert shared(one, "b", Value) is not first
    assert shared(other, "a", Value) is not first


def test_keys_are_compared_by_value_and_need_no_hash():
    owner = Owner()
    first = shared(owner, ByValue(1), Value)

    assert shared(owner, ByValue(1), Value) is first
    assert shared(owner, ByValue(2), Value) is not first


def test_none_is_cached_like_any_other_value():
    owner, made = Owner(), []
    found = [shared(owner, "a", lambda: made.append(1)) for _ in range(2)]

    assert found == [None, None]
    assert made == [1]


def test_beyond_the_limit_the_oldest_value_is_dropped():
    owner = Owner()
    first, second, *_ = [shared(owner, key, Value) for key in range(MAX_KEPT + 1)]

    assert shared(owner, 1, Value) is second
    assert shared(owner, 0, Value) is not first


def test_an_object_without_attributes_caches_nothing():
    owner = object()

    assert shared(owner, "a", Value) is not shared(owner, "a", Value)


def test_methods_cache_nothing_in_their_class_function():
    one, other = Owner().method, Owner().method

    assert shared(one, "a", Value) is not shared(other, "a", Value)
    assert vars(Owner.method) == {}


def test_a_value_is_freed_with_its_object():
    owner = Owner()
    value = weakref.ref(shared(owner, "a", Value))
    before = value() is not None
    del owner
    gc.collect()

    assert before
    assert value() is None


def test_a_failed_creation_caches_nothing():
    owner = Owner()

    def fail():
        raise KeyError

    with pytest.raises(KeyError):
        shared(owner, "a", fail)

    assert isinstance(shared(owner, "a", Value), Value)
