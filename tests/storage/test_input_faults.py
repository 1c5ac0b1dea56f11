"""A store that fails, is slow, or holds odd objects: clear messages, nothing lost, the exit codes of the house."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.storage.conftest import Run, picture, pictures, tree, write_pipeline
from tests.storage.server import S3

FAST = {"AWS_MAX_ATTEMPTS": "1"}
IMPATIENT = {"FSSPEC_S3": json.dumps({"config_kwargs": {"retries": {"max_attempts": 1}, "read_timeout": 1}})}
SECRETS = ("AKIATESTKEY", "very-secret")


def nothing_secret(folder: Path, *texts: str) -> None:
    found = [p for p in folder.rglob("*") if p.is_file()]
    assert found
    for secret in SECRETS:
        assert not any(secret in text for text in texts)
        assert not [p for p in found if secret.encode() in p.read_bytes()]


@pytest.mark.parametrize(
    ("source", "extra", "code", "words"),
    [
        ("s3://no-such-bucket/raw", {}, 2, ["s3://no-such-bucket/raw does not exist", "check the names"]),
        ("s3://source/nothing", {}, 2, ["s3://source/nothing does not exist"]),
        ("s3://source/raw/dog/a.png", {}, 2, ["is one object", "give the folder"]),
        ("s3://source/raw", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 1, ["cannot be reached", "AWS_ENDPOINT_URL"]),
        ("s3://source/raw", {"AWS_ACCESS_KEY_ID": "", "AWS_EC2_METADATA_DISABLED": "true"}, 3, ["no credentials"]),
        ("az://source/raw", {}, 3, ["az:// is not installed", "pip install adlfs"]),
        ("S3://source/raw", {}, 2, ["in capital letters: write s3://source/raw"]),
        ("s3:/source/raw", {}, 2, ['did you mean "s3://source/raw"?']),
        ("gs:source/raw", {}, 2, ['did you mean "gs://source/raw"?']),
        ("s3:///raw", {}, 2, ["names no bucket"]),
        ("s4://source/raw", {}, 2, ['"s4://" is no kind of address']),
        ("s3://AKIATESTKEY:very-secret@source/raw", {}, 2, ["a key or a password"]),
        ("hf://datasets/someone/pictures", {}, 3, ["offline"]),
    ],
)
def test_wrong_addresses_say_what_is_wrong(
    tmp_path: Path, curate: Run, source: str, extra: dict[str, str], code: int, words: list[str]
) -> None:
    file = write_pipeline(tmp_path, "x", "prepared")
    done = curate("run", file, "--set", f"input={source}", code=code, **FAST, **extra)
    assert all(word in done.stderr for word in words), done.stderr
    assert "--set input=" in done.stderr
    nothing_secret(tmp_path, done.stderr, done.stdout)


def test_an_address_in_the_file_is_named_with_its_line(tmp_path: Path, curate: Run) -> None:
    file = write_pipeline(tmp_path, "s3://source/raw", "prepared")
    file.write_text(
        file.read_text(encoding="utf-8").replace('"s3:', '\n  - s3://source/raw\n  - "s3:').replace('raw"', 'r"')
    )
    for command in ("run", "plan"):
        done = curate(command, file, code=2)
        assert f"{file}:3:5: s3://source/r does not exist" in done.stderr
    done = curate(
        "run", file, "--set", "input=[s3://source/raw, az://source/raw, s3://gone]", "--set", "output=az://x/y", code=3
    )
    for option in ("input=[s3://source/raw, az://source/raw, s3://gone]", "output=az://x/y"):
        assert f"--set {option}: az://" in done.stderr


def test_a_server_that_denies_everything(tmp_path: Path, s3: S3, curate: Run) -> None:
    s3.fault = lambda method, path: 403
    file = write_pipeline(tmp_path, "s3://source/raw", "prepared")
    done = curate("run", file, code=2)
    assert f"{file}:1:8: access to s3://source/raw is denied" in done.stderr
    assert "check which keys are used" in done.stderr


@pytest.mark.parametrize("fault", [500, 503, 3.0])
def test_a_server_that_fails_or_is_slow_ends_the_run_and_the_next_one_goes_on(
    tmp_path: Path, s3: S3, curate: Run, expected: dict[str, bytes], fault: int | float
) -> None:
    file = write_pipeline(tmp_path, "s3://source/raw", "prepared")
    served: list[str] = []

    def after_three(method: str, path: str) -> int | float | None:
        if path.count("/") < 3:
            return None
        served.append(path)
        return None if len(served) <= 3 else fault

    s3.fault = after_three
    # what is loaded already does not look at FSSPEC_S3 again
    done = curate("run", file, code=1, cold=isinstance(fault, float), **FAST, **IMPATIENT)
    assert "s3://source/raw cannot be reached" in done.stderr
    assert "run the same command again" in done.stderr
    s3.fault = None
    s3.requests.clear()
    curate("run", file)
    assert len(s3.asked("GET")) == 7
    assert tree(tmp_path / "prepared") == expected
    nothing_secret(tmp_path, done.stderr)


@pytest.mark.parametrize("fault", [403, 500])
def test_one_bad_object_is_set_aside_like_one_bad_file(tmp_path: Path, s3: S3, curate: Run, fault: int) -> None:
    file = write_pipeline(tmp_path, "s3://source/raw", "prepared")
    s3.fault = lambda method, path: fault if path.endswith("/b c.png") else None
    done = curate("run", file, "--json", **FAST)
    [row] = json.loads(done.stdout)["aside"]
    assert row["key"] == "dog/b c.png"
    assert "cannot be read: as the test asked" in row["reason"]
    s3.fault = None
    done = curate("run", file, "--json")
    assert json.loads(done.stdout)["aside"] == []


def test_odd_names_are_set_aside_or_kept_apart(tmp_path: Path, s3: S3, curate: Run) -> None:
    odd = {"dog/../up.png": picture(20), "dog/long" + "x" * 300 + ".png": picture(22)}
    s3.put(
        "source", {f"raw/{name}": data for name, data in odd.items()} | {"raw/dog/": b"", "raw/.hidden/h.png": b"no"}
    )
    done = curate("run", write_pipeline(tmp_path, "s3://source/raw", "prepared"), "--json")
    said = json.loads(done.stdout)
    aside = {row["key"]: row["reason"] for row in said["aside"]}
    assert len(aside) == 2, aside
    assert said["pictures"] == 10
    assert said["prepared"] == 8
    names = {p.stem for p in (tmp_path / "prepared").rglob("*.png") if ".curate" not in p.parts}
    assert {"D", "d-png"} <= names or {"D-png", "d"} <= names
    assert not list(tmp_path.rglob("up.png"))


def test_what_changes_in_the_bucket_changes_in_the_dataset(tmp_path: Path, s3: S3, curate: Run) -> None:
    file = write_pipeline(tmp_path, "s3://source/raw", "prepared")
    curate("run", file)
    s3.client.delete_object(Bucket="source", Key="raw/dog/a.png")
    s3.put("source", {"raw/dog/d.png": picture(30), "raw/dog/new.png": picture(31), "raw/dog/b c.txt": b"other words"})
    s3.requests.clear()
    done = curate("run", file, "--json")
    said = json.loads(done.stdout)
    assert (said["added"], said["removed"]) == (["dog/d.png", "dog/new.png"], ["dog/a.png"]) or "dog/new.png" in said[
        "added"
    ]
    assert len(s3.asked("GET")) == 3
    assert not (tmp_path / "prepared/1_zwx dog/a.png").exists()
    assert "other words" in (tmp_path / "prepared/1_zwx dog/b c.txt").read_text(encoding="utf-8")


def test_a_plan_of_a_bucket_names_the_work(tmp_path: Path, curate: Run) -> None:
    file = write_pipeline(tmp_path, "s3://source/raw", "prepared")
    rows = {row["stage"]: row for row in json.loads(curate("plan", file, "--json").stdout)}
    assert rows["convert"]["compute"] == len([name for name in pictures() if not name.endswith(".txt")])
    curate("run", file)
    rows = {row["stage"]: row for row in json.loads(curate("plan", file, "--json").stdout)}
    assert rows["convert"]["recalled"] == 8


def test_a_concept_that_is_not_in_the_bucket_is_named(tmp_path: Path, curate: Run) -> None:
    file = write_pipeline(tmp_path, "s3://source/raw", "prepared")
    text = file.read_text(encoding="utf-8").replace("  dog:", "  cat: {}\n  3_dgo:")
    file.write_text(text, encoding="utf-8")
    done = curate("run", file, code=2)
    assert f'{file}:4:3: no folder "cat" in the input' in done.stderr
    assert f'{file}:5:3: no folder "dgo" in the input: did you mean "dog"?' in done.stderr
