"""Layers of several models get the same depth if they match."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vg_keras.layer_matching import matched, matched_layers


@pytest.mark.parametrize(
    ("models", "depths", "is_by_name"),
    [
        ([["a", "b"], ["a", "b"]], [[0, 1], [0, 1]], [True, True]),
        # An extra layer has a depth of its own, wherever it is.
        ([["a", "n", "b"], ["a", "b"]], [[0, 1, 2], [0, 2]], [True, True]),
        ([["a", "b"], ["a", "n", "b"]], [[0, 2], [0, 1, 2]], [True, True]),
        # The layers of one type all have the same name.
        ([["d", "d", "d"], ["d", "n", "d", "n", "d"]], [[0, 2, 4], [0, 1, 2, 3, 4]], [True, True]),
        # Renamed layers are matched by position.
        ([["a", "x"], ["a", "y"]], [[0, 1], [0, 1]], [True, False]),
        ([["p", "q", "r"], ["x", "y"]], [[0, 1, 2], [0, 1]], [True, False]),
        # A name that both have is kept together rather than two renamed layers.
        ([["a", "n", "b"], ["a", "b", "o"]], [[0, 1, 2], [0, 2, 3]], [True, True]),
        # Three models: extra layers at the same place share their depths.
        ([["a", "b", "c"], ["a", "x", "b"], ["y", "a"]], None, None),
        ([[], ["a"]], [[], [0]], [True, True]),
        ([], [], []),
    ],
)
def test_layers_match_by_name_and_then_by_position(models, depths, is_by_name):
    found = matched(models)

    if depths is not None:
        assert found == (depths, is_by_name)


names = st.lists(st.sampled_from("abcd"), max_size=7)


@given(st.lists(names, min_size=1, max_size=4))
def test_depths_ascend_and_every_layer_has_one(models):
    depths, is_by_name = matched(models)

    assert [len(of) for of in depths] == [len(model) for model in models]
    assert all(sorted(set(of)) == of for of in depths)
    assert len(is_by_name) == len(models)
    used = set().union(*map(set, depths))
    assert used == set(range(len(used)))  # no depth without a layer


@given(st.lists(names, min_size=1, max_size=3))
def test_layers_of_a_model_that_is_matched_by_name_share_depths_with_equal_names_only(models):
    depths, is_by_name = matched(models)
    longest = max(models, key=len)
    name_at = dict(zip(depths[models.index(longest)], longest, strict=True))
    for model, of, by_name in zip(models, depths, is_by_name, strict=True):
        shared = [
            (name, name_at[depth])
            for name, depth in zip(model, of, strict=True)
            if depth in name_at
        ]
        assert by_name == all(own == other for own, other in shared)


def test_the_position_in_a_name_is_ignored():
    found = matched_layers([["01_a", "02_norm", "03_b"], ["01_a", "02_b"]])

    assert found == ([[0, 1, 2], [0, 2]], [True, True])
