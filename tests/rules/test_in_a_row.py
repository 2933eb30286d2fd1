"""Records in a row that show something."""

from vg_keras.rules.in_a_row import InARow


def test_paths_with_enough_records_in_a_row_are_returned():
    row = InARow(2)
    shown = [{"a": True, "b": True}, {"a": True, "b": False}, {"a": True, "b": True}]

    assert [row.add(of_record) for of_record in shown] == [(), ("a",), ("a",)]


def test_a_path_that_is_left_out_keeps_its_count():
    row = InARow(2)

    assert [row.add({"a": True}), row.add({}), row.add({"a": True})] == [(), (), ("a",)]


def test_one_record_can_be_enough():
    assert InARow(1).add({"a": True, "b": False}) == ("a",)
