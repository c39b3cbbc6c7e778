"""What the metadata of a cell tells of its output."""

from __future__ import annotations

import dataclasses

from mitosis.omission import METADATA, PRINTED, Omission, omissions_of, output_file, printed_file


def test_what_is_left_out_is_read_as_it_was_written() -> None:
    known = [Omission(3, 40, "output_0.txt"), Omission(1, 2, "")]
    assert omissions_of({"mitosis": {METADATA: [dataclasses.asdict(one) for one in known]}}) == tuple(known)


def test_the_file_of_what_a_step_printed() -> None:
    assert printed_file({"mitosis": {PRINTED: output_file(3)}}) == "output_3.txt"
    assert printed_file({}) == ""
