"""Secrets are masked in texts and beside them, with and without the public rules."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard_builtins.memory.secrets import Secrets, entropy

ALNUM = string.ascii_letters + string.digits


def made(alphabet: str, size: int, seed: int = 7) -> str:
    """A secret that is in no file: scanners of repositories need not look here."""
    return "".join(random.Random(seed).choices(alphabet, k=size))


EXAMPLES = {
    "anthropic-key": "sk-" + "ant-api03-" + made(ALNUM, 80),
    "openai-key": "sk-" + "proj-" + made(ALNUM, 48),
    "aws-key-id": "AK" + "IA" + made(string.ascii_uppercase + "234567", 16),
    "github-token": "gh" + "p_" + made(ALNUM, 36),
    "gitlab-token": "gl" + "pat-" + made(ALNUM, 20),
    "slack-token": "xo" + "xb-" + made(string.digits, 12) + "-" + made(string.digits, 12) + "-" + made(ALNUM, 24),
    "stripe-key": "sk" + "_live_" + made(ALNUM, 24),
    "google-key": "AI" + "za" + made(ALNUM, 35),
    "npm-token": "np" + "m_" + made(ALNUM, 36),
    "huggingface-token": "h" + "f_" + made(string.ascii_letters, 34),
    "vault-token": "hv" + "s." + made(ALNUM, 90),
    "jwt": "ey" + "J" + made(ALNUM, 30) + ".ey" + "J" + made(ALNUM, 60) + "." + made(ALNUM, 43),
    "azure-key": "Account" + "Key=" + made(ALNUM, 86) + "==",
    "url-password": "postgres://" + "app:" + made(ALNUM, 12) + "@db.example/main",
    "authorization": "Authorization: Bearer " + made(ALNUM, 40),
    "assigned-secret": "api_key = '" + made(ALNUM, 24) + "'",
    "private-key": "-----BEGIN OPENSSH PRIVATE "
    + "KEY-----\n"
    + made(ALNUM, 200)
    + "\n-----END OPENSSH PRIVATE KEY-----",
}
SECRET = {
    "url-password": lambda text: text.split(":")[2].split("@")[0],
    "authorization": lambda text: text.rsplit(" ", 1)[1],
    "assigned-secret": lambda text: text.split("'")[1],
    "private-key": lambda text: text.split("\n")[1],
    "azure-key": lambda text: text.split("=", 1)[1],
}


@pytest.fixture(scope="module")
def built_in() -> Secrets:
    return Secrets(public=False)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_secret_is_masked_wherever_it_stands(kind: str, built_in: Secrets) -> None:
    text = EXAMPLES[kind]
    secret = SECRET.get(kind, lambda whole: whole)(text)
    masked, found = built_in.masked(f"we saw {text} and went on")
    assert secret not in masked
    assert kind in found
    assert masked.startswith("we saw ")
    assert masked.endswith(" and went on")


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_public_rules_mask_no_less(kind: str) -> None:
    pytest.importorskip("re2", reason="the extra `secrets` is not installed")
    both = Secrets()
    assert both.with_rules
    secret = SECRET.get(kind, lambda whole: whole)(EXAMPLES[kind])
    assert secret not in both.masked(f"we saw {EXAMPLES[kind]} and went on")[0]


def test_the_public_rules_know_what_the_built_in_ones_do_not() -> None:
    pytest.importorskip("re2", reason="the extra `secrets` is not installed")
    from pegboard_builtins.memory.gitleaks_rules import PublicRules

    token = "ops_" + "eyJ" + made(ALNUM, 300)  # a 1Password service account
    assert {rule for _, _, rule in PublicRules().find(f"use {token} then")} == {"1password-service-account-token"}
    assert len(PublicRules().rules) > 200


@pytest.mark.parametrize(
    "text",
    [
        "the password is checked in login.py",
        "token = get_token()",
        "password = os.environ['DB_PASSWORD']",
        "secret: ${VAULT_SECRET}",
        "max_tokens = 4096",
        "key: value",
        "see https://example.com/a:b@c",
        "keyboard shortcuts and the basic rules of authentication",
    ],
)
def test_ordinary_words_stay(text: str, built_in: Secrets) -> None:
    assert built_in.masked(text) == (text, ())


def test_secrets_beside_the_text_are_masked_too(built_in: Secrets) -> None:
    token = EXAMPLES["github-token"]
    value, found = built_in.masked_value({"env": [{"X": f"a {token}"}], "db": {"password": "blub"}, token: 1, "n": 2})
    assert token not in str(value)
    assert "blub" not in str(value)
    assert value["n"] == 2
    assert set(found) == {"github-token", "named-secret"}


@given(st.text(max_size=200), st.sampled_from(sorted(EXAMPLES)), st.text(max_size=200))
def test_masking_twice_changes_nothing_more(before: str, kind: str, after: str) -> None:
    finder = Secrets(public=False)
    once, _ = finder.masked(f"{before} {EXAMPLES[kind]} {after}")
    again, _ = finder.masked(once)
    assert SECRET.get(kind, lambda whole: whole)(EXAMPLES[kind]) not in once
    assert len(again) <= len(once) + 40


def test_entropy_of_one_letter_is_none() -> None:
    assert entropy("aaaa") == 0
    assert entropy("") == 0
    assert entropy("abcd") == 2
