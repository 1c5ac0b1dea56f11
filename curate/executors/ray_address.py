"""Ray address: where a cluster is said to be, and whether a cluster answers there; Ray itself waits minutes for one."""

from __future__ import annotations

import os
import re
import socket
from importlib import import_module
from typing import Any

from curate.errors import InputError, MissingError, library_reason

AUTO, LOCAL = "auto", "local"
"""Addresses: the cluster that this machine belongs to, and one that is started on it for this run."""
FORM = "auto, local or HOST:PORT"
_START = "start one with `ray start --head`, or use run.address=local, which starts one on this machine for the run"
_GIVE = "give the address that `ray start --head` printed on its first machine, HOST:6379 as a rule"
_TOKEN_MODE = "if the cluster asks for a token, set RAY_AUTH_MODE=token"
_TOKEN = "give the cluster's token: ~/.ray/auth_token of its first machine, or RAY_AUTH_TOKEN"
_SECONDS = 5
"""How long an address may take to answer."""
_SETTINGS = b"\x04"
"""The type of the frame that both sides of HTTP/2 begin with (RFC 9113, sections 3.4 and 6.5)."""
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + _SETTINGS + bytes(5)


def is_cluster_address(text: str) -> bool:
    """Whether a text is an address as `FORM` says."""
    return text in (AUTO, LOCAL) or re.fullmatch(r"[^/\s]+:\d+", text) is not None


def resolve(address: str) -> str:
    """The address that is meant: with "auto" what $RAY_ADDRESS says. Raises InputError where that is no address."""
    variable = os.environ.get("RAY_ADDRESS", "")
    if address != AUTO or not variable:
        return address
    if not is_cluster_address(variable):
        raise InputError(f"the variable RAY_ADDRESS is {variable}, not {FORM}", "unset it, or give run.address")
    return variable


def remedy(address: str, error: Exception | None = None) -> str:
    """What to do where no cluster is joined at an address, for the reason that Ray's `error` gives."""
    token = "RAY_AUTH_MODE" in os.environ
    if type(error).__name__ == "AuthenticationError":  # older versions of Ray do not have it
        return _TOKEN if token else _TOKEN_MODE
    where = _START if address in (AUTO, LOCAL) else _GIVE
    return where if error is None or token or address == LOCAL else f"{where}; {_TOKEN_MODE}"


def remedy_for_workers() -> str:
    """What to do where a cluster is joined, and its workers end at once, as they do where only one side has a token."""
    where = "look into Ray's logs of that node"
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return where
    return f"if the cluster was started without a token, set RAY_AUTH_MODE=disabled; else {where}"


def check_cluster(address: str) -> None:
    """Raises MissingError unless a Ray cluster that takes this command in answers at HOST:PORT."""
    host, _, port = address.rpartition(":")
    begin = b""
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _SECONDS) as connection:
            if not _is_encrypted():
                connection.sendall(_PREFACE)
                begin = connection.recv(9)
    except (OSError, ValueError, OverflowError) as error:
        raise MissingError(f"no Ray cluster answers at address {address}: {error}", remedy(address)) from error
    if begin[3:4] != _SETTINGS and not _is_encrypted():
        raise MissingError(f"what answers at address {address} is no Ray cluster", remedy(address))
    _ask(address)


def _is_encrypted() -> bool:
    """Whether Ray is told to speak TLS: then another server is found out by Ray alone."""
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _ask(address: str) -> None:
    """Asks for the cluster's number, which needs its token. Other servers of gRPC do not know the question."""
    import ray.exceptions

    try:  # not promised to stay: without it joining says the same more slowly
        tokens: Any = import_module("ray._private.authentication.authentication_token_setup")
        raylet: Any = import_module("ray._raylet")
        check_token, ask = tokens.ensure_token_if_auth_enabled, raylet.GcsClient
    except (ImportError, AttributeError):
        return
    try:
        check_token(create_token_if_missing=False)  # without a token, asking ends this process
        ask(address=address)
    except ray.exceptions.RayError as error:
        message = f"cannot join the Ray cluster at address {address}: {library_reason(error)}"
        raise MissingError(message, remedy(address, error)) from error
