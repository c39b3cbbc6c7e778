"""What counts as a secret, and what is taken out of URLs."""

from __future__ import annotations

import pytest

from mitosis.confidential import environment_variable, is_secret_name, why_secret, without_password


@pytest.mark.parametrize(
    "name",
    [
        *("password", "passwd", "secret", "client_secret", "token", "hf_token", "HF_TOKEN", "token2", "api_key"),
        *("apikey", "openai_api_key", "credentials", "aws_secret_access_key", "db_pwd"),
    ],
)
def test_name_that_ends_as_one_of_a_secret_is_one(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["max_tokens", "token_count", "tokenizer", "key", "key_size", "secretary", "bypass", "password_length", "n"]
)
def test_name_that_only_has_something_of_it_is_none(name: str) -> None:
    assert not is_secret_name(name)


def test_patterns_add_names_and_take_them_away_and_the_last_one_decides() -> None:
    assert is_secret_name("card_pin", ["*_pin"])
    assert not is_secret_name("pad_token", ["!pad_*"])
    assert is_secret_name("hf_token", ["!pad_*"])
    assert is_secret_name("pad_token", ["!pad_*", "*_token"])


@pytest.mark.parametrize(
    ("name", "text", "is_warned"),
    [
        ("token", '"abc"', True),
        ("token", "None", False),
        ("n", '"abc"', False),
        ("url", '"postgres://ada:pw@host/db"', True),
        ("url", '"postgres://ada:my pw@host/db"', True),
        ("url", '"ssh://git@host/repository"', False),
        ("url", '"http://host:80/a@b"', False),
    ],
)
def test_what_is_given_in_the_open_is_told(name: str, text: str, is_warned: bool) -> None:
    assert (why_secret(name, text, ()) is not None) == is_warned


@pytest.mark.parametrize(
    ("text", "variable"),
    [("env:HF_TOKEN", "HF_TOKEN"), ("env:", ""), ("env:a b", ""), ("env", None), ('"env:A"', None)],
)
def test_variable_is_named_after_env(text: str, variable: str | None) -> None:
    assert environment_variable(text) == variable


def test_credentials_are_taken_out_of_every_url_of_a_text() -> None:
    text = "a https://ada:pw@host/x and http://token@proxy:80 from ada@example.org"
    assert without_password(text) == "a https://host/x and http://proxy:80 from ada@example.org"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://ada:it's my pw@host/x.git", "http://host/x.git"),
        ("my_exp.url='http://ada:my pw@host/x', \"b@c\"", "my_exp.url='http://host/x', \"b@c\""),
    ],
)
def test_password_in_a_url_may_have_blanks(text: str, shown: str) -> None:
    assert without_password(text) == shown
