"""What must not be shown is replaced wherever it stands, always by the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ml.hopsworks.redaction import REDACTED, Redactor


def redacted(body: Any, **known: Any) -> str:
    redactor = Redactor(**known)
    redactor.learn(body)
    return json.dumps(redactor.body(body))


PEM = "-----BEGIN PRIVATE KEY-----\nMIIplanted\n-----END PRIVATE KEY-----\n"
PLANTED = {
    "key store": {"kStore": "cGxhbnRlZA==planted"},
    "certificate": {"whatever": f"see {PEM} there"},
    "password": {"password": "planted!"},
    "session token": {"sessionToken": "planted!"},
    "access key": {"accessKey": "planted!", "secretKey": "planted!2"},
    "nested under a secret": {"serviceCredential": {"id": ["planted!"]}},
    "option": {"options": [{"name": "fs.s3a.secret.key", "value": "planted!"}]},
    "connection string": {"url": "jdbc:x://db/y;user=a;Password=planted;ssl=true"},
    "mail": {"text": "ask anna.planted@kth.se about it"},
    "first name": {"firstname": "planted"},
    "full name": {"userFullName": "Planted planted"},
    "host": {"text": "https://planted.corp.se:8443/hopsworks-api"},
    "address": {"text": "nobody answers at 10.20.30.40 today"},
    "brokers": {"bootstrapServers": "EXTERNAL://planted.se:9092,planted2.se:9092"},
    "JSON in a text": {"hqsPayload": json.dumps({"password": "planted!"})},
    "signature": {"hqsPayloadSignature": "planted!"},
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_secret_is_gone(name: str) -> None:
    text = redacted(PLANTED[name])
    assert "planted" not in text
    assert "Planted" not in text
    assert "10.20.30.40" not in text


def test_what_was_met_as_a_user_is_replaced_in_words_and_paths() -> None:
    redactor = Redactor()
    redactor.learn({"username": "annak000"})
    assert redactor.text("sthlm__annak000") == "sthlm__user1"
    assert redactor.path("/dataset/%2FHome%2Fannak000") == "/dataset/%2FHome%2Fuser1"
    assert redactor.text("annak0001") == "annak0001"


def test_a_password_is_replaced_where_nothing_says_that_it_is_one() -> None:
    body = [{"password": "correct-horse"}, {"note": "it is correct-horse, really"}]
    assert "correct-horse" not in redacted(body)


def test_the_key_and_the_host_that_are_known_from_the_start_are_replaced() -> None:
    body = {"note": "key abc.defghi at hops.kth.se"}
    text = redacted(body, secrets=("abc.defghi", "defghi"), hosts=("hops.kth.se",))
    assert text == json.dumps({"note": f"key {REDACTED} at host1.example"})


def test_the_same_value_has_the_same_placeholder_and_others_have_others() -> None:
    body = {"a": "https://x.se/1", "b": "https://y.se/", "c": "https://x.se/2"}
    assert json.loads(redacted(body)) == {
        "a": "https://host1.example/1",
        "b": "https://host2.example/",
        "c": "https://host1.example/2",
    }


def test_what_is_neither_secret_nor_personal_stays() -> None:
    body = {
        "featurestoreName": "sthlm_featurestore",
        "features": [{"name": "brf_name", "type": "string", "primary": True}],
        "version": "5.2.1",
        "count": 3,
        "created": "2026-11-25T10:00:00Z",
        "location": "hopsfs:/apps/hive/warehouse/sthlm.db/flowers_1",
        "nothing": None,
    }
    assert json.loads(redacted(body)) == body
