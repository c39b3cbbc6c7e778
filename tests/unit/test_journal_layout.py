"""Names of refs and paths of the journal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.errors.journal import JournalError
from mitosis.journal import layout
from mitosis.journal.layout import experiment_name
from mitosis.variants import MAX_NAME_BYTES, VariantName, is_too_long

# Lone surrogates too: names can come from file names and from lookup dictionaries.
names = st.text(st.characters() | st.characters(categories=["Cs"]))


def test_experiment_is_named_by_its_steps_in_order() -> None:
    assert experiment_name(["data", "fit"]) == "data+fit"
    assert experiment_name(["fit"]) == "fit"


@given(names)
def test_name_comes_back_from_its_path(name: str) -> None:
    assert layout.decode_name(layout.encode_name(name)) == name


@given(names)
def test_path_component_is_safe(name: str) -> None:
    component = layout.encode_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_+%-][A-Za-z0-9._+%-]*", component)
    assert layout.is_component(component)


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("my_exp", "my_exp"),
        ("data+fit", "data+fit"),
        ("v1.5-b", "v1.5-b"),
        ("", "%"),
        ("%", "%25"),
        (".", "%2E"),
        ("..", "%2E."),
        (".git", "%2Egit"),
        ("../../etc", "%2E.%2F..%2Fetc"),
        ("a/b", "a%2Fb"),
        ("a b\n", "a%20b%0A"),
        ("GIT~1", "GIT%7E1"),
        ("größe", "gr%C3%B6%C3%9Fe"),
    ],
)
def test_component_is_spelled(name: str, component: str) -> None:
    assert layout.encode_name(name) == component
    assert layout.decode_name(component) == name


def test_component_that_encode_never_makes_comes_back_as_it_is() -> None:
    assert layout.decode_name("%FF") == "%FF"


def test_trial_path_has_the_day_of_utc() -> None:
    folder = layout.trial_folder("my_exp", "2026-03-01T00:30:00+02:00")
    assert layout.record_paths(folder, "5f2c91d07a3b") == (
        "trials/my_exp/2026-02-28/5f2c91d07a3b.msgpack",
        "trials/my_exp/2026-02-28/5f/5f2c91d07a3b.msgpack",
    )


@pytest.mark.parametrize("key", ["", "5f2c", "../../../../x", "5F2C91D07A3B", "5f2c91d07a3b\n", "5f2c91d07a3bff"])
def test_key_that_is_none_has_no_path(key: str) -> None:
    with pytest.raises(JournalError, match="not a trial key"):
        layout.record_paths("trials/my_exp/2026-03-01", key)


def test_trial_without_a_time_has_no_path() -> None:
    with pytest.raises(JournalError, match="ISO 8601"):
        layout.trial_folder("my_exp", "yesterday")


@pytest.mark.parametrize("digest", ["", "../x", "a" * 39, "A" * 40, "a" * 40 + "\n"])
def test_digest_that_is_none_has_no_path(digest: str) -> None:
    with pytest.raises(JournalError, match="not the digest"):
        layout.variant_path(VariantName("my_exp", "frequency", "slow"), digest)
    with pytest.raises(JournalError, match="not a commit"):
        layout.pin_ref(digest)


@pytest.mark.parametrize("digest", ["", "../x", "abc\n"])
def test_environment_that_is_none_has_no_path(digest: str) -> None:
    with pytest.raises(JournalError, match="not the digest"):
        layout.environment_path(digest)


def test_variant_path_stays_below_the_limit_of_git() -> None:
    longest = "\0" * MAX_NAME_BYTES
    assert not is_too_long(longest)
    assert is_too_long(longest + "a") and is_too_long("ä" * 101)
    assert len(layout.variant_path(VariantName(longest, longest, longest), "a" * 40)) < 4096


def test_experiment_of_too_many_steps_has_no_path() -> None:
    with pytest.raises(JournalError, match="too long"):
        layout.trial_folder("+".join(["step"] * 1000), "2026-03-01T00:30:00+02:00")
