"""What the metadata of a cell tells of its output."""

from __future__ import annotations

import pytest

from mitosis.omission import METADATA, PRINTED, Omission, omissions_of, output_file, printed_file


def test_what_is_left_out_is_read_as_it_was_written() -> None:
    known = [Omission(3, 40, "output_0.txt"), Omission(1, 2, "")]
    assert omissions_of({"mitosis": {METADATA: [one.to_metadata() for one in known]}}) == tuple(known)


@pytest.mark.parametrize(
    "entry",
    [None, 3, {}, {"lines": "3", "size_bytes": 4, "file": ""}, {"lines": 3, "size_bytes": 4, "file": "../other.txt"}],
)
def test_entries_of_another_kind_are_passed_over(entry: object) -> None:
    sound = Omission(3, 40, "output_0.txt")
    assert omissions_of({"mitosis": {METADATA: [entry, sound.to_metadata()]}}) == (sound,)


@pytest.mark.parametrize("about", [None, [], "text", {METADATA: 3, PRINTED: 3}])
def test_metadata_of_another_kind_tells_nothing(about: object) -> None:
    assert omissions_of({"mitosis": about}) == ()
    assert printed_file({"mitosis": about}) == ""


@pytest.mark.parametrize("name", ["../../secret.txt", "javascript:alert()", "output_0.txt\n", ["output_0.txt"]])
def test_no_other_file_is_taken_for_what_a_step_printed(name: object) -> None:
    assert printed_file({"mitosis": {PRINTED: name}}) == ""
    assert printed_file({"mitosis": {PRINTED: output_file(3)}}) == "output_3.txt"
