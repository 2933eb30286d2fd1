"""Attributes are replaced and restored, also where several observers replace the same one."""

from contextlib import ExitStack

import pytest

from vg_keras.capture.patches import SharedMethod, replace_in_instance


class Thing:
    def call(self, x):
        return x + 1


def test_an_instance_attribute_is_set_and_removed_again():
    thing = Thing()
    with ExitStack() as stack:
        replace_in_instance(thing, "call", lambda x: 10 * x, stack)
        during = thing.call(1)

    assert (during, thing.call(1)) == (10, 2)
    assert "call" not in vars(thing)


@pytest.mark.parametrize("own", [None, 7])
def test_an_existing_instance_attribute_is_restored(own):
    thing = Thing()
    vars(thing)["call"] = own

    def use():
        with ExitStack() as stack:
            replace_in_instance(thing, "call", 8, stack)
            raise KeyError

    with pytest.raises(KeyError):
        use()

    assert vars(thing) == {"call": own}


def adding(original, listeners):
    def call(self, x):
        return original(self, x) + sum(listeners)

    return call


def shared():
    class Fresh(Thing):
        def call(self, x):
            return x + 1

    return Fresh, SharedMethod(Fresh, "call", adding)


def test_a_shared_method_is_replaced_while_it_has_listeners():
    kind, method = shared()
    original = kind.call
    with method.listened_to_by(10):
        during = kind().call(1)

    assert during == 12
    assert kind.call is original


def test_listeners_can_be_removed_in_any_order():
    kind, method = shared()
    original = kind.call
    first, second = method.listened_to_by(10), method.listened_to_by(100)
    first.__enter__()
    second.__enter__()
    both = kind().call(1)
    first.__exit__(None, None, None)
    one = kind().call(1)
    second.__exit__(None, None, None)

    assert (both, one, kind().call(1)) == (112, 102, 2)
    assert kind.call is original


def test_a_replacement_made_by_others_meanwhile_is_kept():
    kind, method = shared()
    with method.listened_to_by(10):
        ours = kind.call
        kind.call = lambda self, x: 2 * ours(self, x)
        during = kind().call(1)

    assert (during, kind().call(1)) == (24, 4)
