"""The checks in review: made of the folder as it is now, with the ids of the page's pictures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from curate.drive.check import check_known
from curate.drive.check_process import check_in_process
from curate.errors import CurateError, InputError
from curate.review.check_results import CheckResults, check_named
from curate.review.index import Index
from tests.folder.helpers import Project
from tests.review.helpers import Site, site


def found(served: Site) -> dict[str, list[str]]:
    """The pictures that each check finds."""
    return {one["check"]: one["pictures"] for one in served.get("/api/checks")["checks"]}


def test_checks_are_of_the_folder_as_it_is(served: Site, dogs: Project) -> None:
    assert not {"caption-empty", "trigger"} & found(served).keys()
    dogs.edit("1_zwx dog/0.txt", "")
    served.edit("1_zwx dog/1.png", operation="text", text="grass, sky")
    now = found(served)
    assert now["caption-empty"] == ["1_zwx dog/0.png"]
    assert now["trigger"] == ["1_zwx dog/1.png"]
    row: Any = next(one for one in served.get("/api/checks")["checks"] if one["check"] == "caption-empty")
    assert row["name"] == "empty captions"
    assert "1 " in row["findings"][0]["message"] and row["findings"][0]["remedy"]
    served.edit("1_zwx dog/1.png", operation="text", text="zwx dog, grass, sky")
    assert "trigger" not in found(served)


def test_names_are_those_of_the_page(tmp_path: Path) -> None:
    """A name that is decomposed Unicode on disk has its own id, and a picture that cannot be opened has no sides."""
    place = tmp_path / "1_dog"
    place.mkdir()
    name = "a\u0308.png"
    Image.new("RGB", (512, 512)).save(place / name)
    (place / name).with_suffix(".txt").write_text("", encoding="utf-8")
    (place / "torn.png").write_bytes(b"\x89PNG")
    (place / "torn.txt").write_text("dog", encoding="utf-8")
    with site(tmp_path) as served:
        now = found(served)
    assert now["caption-empty"] == [f"1_dog/{name}"]
    assert now["unreadable"] == ["1_dog/torn.png"]


def test_the_checks_in_a_process_of_their_own(dogs: Project, tmp_path: Path) -> None:
    dogs.edit("1_zwx dog/0.txt", "")
    sizes = {f"1_zwx dog/{n}.png": (32, 32) for n in range(3)} | {"1_cat/ä b.png": (32, 32)}
    result = check_in_process(dogs.out, sizes)
    known = check_known(dogs.out, sizes, tokens=True).as_dict()
    assert json.loads(json.dumps(result, default=list)) == json.loads(json.dumps(known))
    assert {"caption-empty", "tiny"} <= {one["check"] for one in result["traps"]}
    with pytest.raises(CurateError, match="no picture"):
        check_in_process(tmp_path, {})


def test_the_server_loads_no_torch() -> None:
    """It is to stay under 300 MB: what checks load comes and goes with their process."""
    program = "import sys, curate.review.serve, curate.drive.check_process; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_folder_that_cannot_be_checked_says_why(tmp_path: Path) -> None:
    with site(tmp_path) as served:
        reply = served.ask("GET", "/api/checks", x_curate_token="the-token-of-this-test")
        assert reply.status == 400 and "could not be made" in reply.json["message"]
        assert served.get("/api/index")["can_check"]
    with pytest.raises(InputError, match="no checks"):
        CheckResults(Index(tmp_path), None)()


def test_a_check_is_called_by_either_name() -> None:
    assert check_named("trigger") == check_named(" Captions without TRIGGER words") == "trigger"
    with pytest.raises(InputError, match="no check 'zzz'") as error:
        check_named("zzz")
    assert "caption-empty" in error.value.remedy
    with pytest.raises(InputError) as error:
        check_named("caption-emty")
    assert error.value.remedy == 'did you mean "caption-empty"?'


def test_an_answer_of_a_process_that_was_killed_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # all its lines are whole: only its end tells that traps are missing
    python = tmp_path / "python"
    python.write_text("""#!/bin/sh\necho '{"plan": {}, "not_checked": []}'\necho 'out of memory' >&2\nexit 9\n""")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(CurateError, match="the process of the checks ended: out of memory"):
        check_in_process(tmp_path, {})
