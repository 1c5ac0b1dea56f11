"""A second machine is told at its start that another one works on the output."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import fsspec
import pytest

from curate.core.events import Event, Note
from curate.core.store import LEDGER
from curate.errors import LockedError
from curate.storage.address import open_location
from curate.storage.lease import NAME, Lease
from curate.storage.output import Output
from tests.storage.server import S3


@pytest.fixture
def address() -> Iterator[str]:
    """A place in fsspec's store in memory."""
    root = f"/{uuid.uuid4().hex}"
    yield f"memory:/{root}"
    if (files := fsspec.filesystem("memory")).exists(root):
        files.rm(root, recursive=True)


def unheard(event: Event) -> None:
    raise AssertionError(event)


def lease(address: str, folder: str) -> Lease:
    return Lease(open_location(address), Path(folder))


def test_one_holds_it_until_its_end(address: str) -> None:
    refused = pytest.raises(LockedError, match=r"another machine works on memory://.*process .* since")
    with lease(address, "/a").held(unheard), refused:
        lease(address, "/b")._take()
    with lease(address, "/b").held(unheard):
        pass
    location = open_location(address)
    assert not location.file_system.exists(location.path(NAME))


def test_what_a_killed_run_left_is_nobodys_after_a_while_and_its_own_at_once(address: str) -> None:
    location = open_location(address)
    lease(address, "/a")._take()
    with pytest.raises(LockedError):
        lease(address, "/b")._take()
    lease(address, "/a")._take()
    location.file_system.store[location.path(NAME)].created -= timedelta(minutes=6)
    with lease(address, "/b").held(unheard), pytest.raises(LockedError):
        lease(address, "/a")._take()


def test_an_output_that_ends_with_the_process_is_told_of(address: str, tmp_path: Path) -> None:
    told: list[Event] = []
    (tmp_path / LEDGER).mkdir()
    with Output(address, tmp_path).held(told.append):
        pass
    warned = [one.message for one in told if isinstance(one, Note) and one.level == "warning"]
    assert warned == [
        f"{address} is in the memory of this process, and gone when it ends; the prepared folder stays in {tmp_path}"
    ]


def test_it_is_written_again_until_another_has_it(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curate.storage.lease._RENEWAL", 0.05)
    location = open_location(address)
    files, other = location.file_system, lease(address, "/a")
    with lease(address, "/a").held(unheard):
        first = files.store[location.path(NAME)].created
        while files.store[location.path(NAME)].created == first:
            time.sleep(0.01)
        other._take()
        taken = files.store[location.path(NAME)].created
        time.sleep(0.2)
        assert files.store[location.path(NAME)].created == taken
    assert other._is_mine(other._read())


def test_two_that_see_none_do_not_both_get_it(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)

    def other_first(method: str, path: str) -> None:
        if method == "PUT":
            s3.fault = None
            s3.client.put_object(Bucket="target", Key=f"set/{NAME}", Body=b'{"host": "far", "pid": 7}')

    s3.fault = other_first
    with pytest.raises(LockedError, match="process 7 on far"), lease("s3://target/set", "/a").held(unheard):
        pass
    assert s3.tree("target", "set/") == {NAME: b'{"host": "far", "pid": 7}'}
