"""What backends raise, each in its own way, as one error of ours with what to do for that store."""

from __future__ import annotations

import pytest

from curate.errors import CurateError, InputError, MissingError
from curate.storage.errors import concerns_object, storage_error


class _Answer(Exception):  # noqa: N818 – as Azure's and Google's libraries raise them
    def __init__(self, message: str, status_code: int) -> None:
        super().__init__(message)
        self.status_code = status_code


class _HubError(OSError):
    def __init__(self, message: str, status_code: int) -> None:
        super().__init__(message)
        self.response = _Answer("", status_code)


NO_KEYS = ValueError("unable to connect to account for Must provide either a connection_string or account_name")


@pytest.mark.parametrize(
    ("address", "raised", "kind", "words"),
    [
        ("az://c/set", _Answer("no container", 404), InputError, ["az://c/set does not exist: no container"]),
        ("abfs://c/set", _Answer("no", 403), InputError, ["access to abfs://c/set is denied", "AZURE_STORAGE"]),
        ("az://c/set", NO_KEYS, MissingError, ["no credentials for az://c/set", "AZURE_STORAGE_CONNECTION_STRING"]),
        ("gs://b/set", OSError("Forbidden: b/set\nno"), InputError, ["is denied", "GOOGLE_APPLICATION_CREDENTIALS"]),
        ("gs://b/set", _Answer("broken", 500), CurateError, ["gs://b/set cannot be reached: broken"]),
        (
            "hf://datasets/o/n",
            _HubError("wrong token", 401),
            InputError,
            ["is denied: wrong token", "HF_TOKEN"],
        ),
        ("hf://datasets/o/n", _HubError("busy", 503), CurateError, ["hf://datasets/o/n cannot be reached"]),
        ("hf://o/n", FileNotFoundError("o/n"), InputError, ["hf://o/n does not exist", "hf://datasets/OWNER/NAME"]),
        ("s3://b/set", PermissionError("wrong key"), InputError, ["is denied: wrong key", "AWS_ACCESS_KEY_ID"]),
        ("s3://b/set", ValueError("wrong:\nthe name"), CurateError, ["reached: wrong: the name", "AWS_ENDPOINT_URL"]),
    ],
)
def test_each_store_has_its_own_remedy(
    address: str, raised: Exception, kind: type[CurateError], words: list[str]
) -> None:
    error = storage_error(address, raised)
    assert type(error) is kind
    assert all(word in str(error) for word in words), str(error)
    assert ("AWS" in str(error)) == address.startswith("s3")


def test_an_object_that_is_gone_or_denied_is_not_a_fault_of_the_store() -> None:
    assert concerns_object(_Answer("", 404))
    assert concerns_object(_Answer("", 403))
    assert not concerns_object(_Answer("", 500))
    assert not concerns_object(NO_KEYS)
