"""What git says while it fetches and pushes, and which of it is handed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.sync import transport
from mitosis.sync.transport import Listener

RACE = b"remote: error: cannot lock ref 'refs/mitosis/journal': is at 1 but expected 2\nremote: more of it\n"
PIECES = [b"remote: hello\n", b"Writing objects: 100%\r", b"remote: Total 3\n", RACE, b"error: x", b"\n", b"rem"]


def listen(*chunks: bytes) -> bytes:
    told: list[bytes] = []
    listener = Listener(told.append)
    for chunk in chunks:
        listener(chunk)
    return b"".join(told)


def test_question_without_an_end_of_line_is_handed_on_at_once() -> None:
    assert listen(b"Enter passphrase for key: ") == b"Enter passphrase for key: "
    assert listen(b"remote: wa", b"it for Grace") == b"remote: wait for Grace"


def test_progress_is_of_interest_only_when_it_takes_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = b"Enumerating objects: 5, done.\nWriting objects:  50% (1/2)\rremote: Resolving deltas: 100%\n"
    assert listen(progress, b"remote: accepted\n") == b"remote: accepted\n"
    monkeypatch.setattr(transport, "PATIENCE_S", 0.0)
    assert listen(progress) == progress


def test_what_a_race_causes_is_held_back_until_it_is_wanted() -> None:
    told: list[bytes] = []
    listener = Listener(told.append)
    listener(b"remote: hello\n" + RACE + b"error: failed to push some refs to 'x'\n")
    assert told == [b"remote: hello\n"]
    listener.release()
    listener.release()
    assert b"".join(told) == b"remote: hello\n" + RACE + b"error: failed to push some refs to 'x'\n"


def test_beginning_of_a_line_that_never_ends_is_not_lost() -> None:
    told: list[bytes] = []
    listener = Listener(told.append)
    listener(b"error: c")
    assert told == []
    listener.release()
    assert told == [b"error: c"]


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.lists(st.integers(0, 200), max_size=10))
def test_it_does_not_matter_in_which_parts_it_comes(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    places = sorted(cut for cut in cuts if cut < len(data))
    parts = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    assert listen(*parts) == listen(data)
