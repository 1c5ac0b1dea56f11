"""The commands: where they write, what they refuse, what they print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curate.cli.main import main
from curate.lora.weights import strength_of, weighted
from tests.lora.helpers import apart, changes, lora

Run = Callable[..., tuple[object, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["lora", *map(str, arguments)])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return call


@pytest.fixture(scope="module")
def loras(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> Path:
    place = tmp_path_factory.mktemp("loras")
    for seed, name in enumerate(("a", "b")):
        lora(place / f"{name}.safetensors", "tiny", seed=seed, layer_preset="attn-only")
    return place


def test_folders_and_several_recipes(loras: Path, tmp_path: Path, run: Run) -> None:
    code, out, err = run(
        "resize", loras, "-o", tmp_path / "out", "--recipe", "rank=2", "--recipe", "fro_lora=1,thr=-0.5", "--json"
    )
    assert code == 0, err
    names = {f"{n}_{r}.safetensors" for n in "ab" for r in ("rank_2", "fro_lora_1_thr_-0.5")}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    assert [row["recipe"] for row in json.loads(out)] == ["rank=2", "fro_lora=1,thr=-0.5"] * 2
    again = run("resize", loras, "-o", tmp_path / "out", "--recipe", "rank=2", "--recipe", "fro_lora=1,thr=-0.5")
    assert again[0] == 2 and "exists already" in again[2]


def test_sizes_and_tables(loras: Path, tmp_path: Path, run: Run) -> None:
    target = tmp_path / "small.safetensors"
    code, out, err = run("resize", loras / "a.safetensors", "-o", target, "--size", "150KB", "--layers")
    assert code == 0 and target.stat().st_size <= 150_000 and "error" in err and "lora_unet" in out
    assert run("resize", loras / "a.safetensors", "-o", target, "--rank", 3)[0] == 2
    assert run("resize", loras / "a.safetensors", "-o", target, "--rank", 3, "--force")[0] == 0
    assert run("check", target, "--base", "tiny")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "how much to keep is not said"),
        (["--size", "2MB", "--recipe", "sum=0.9"], "both choose what is kept"),
        (["--size", "banana"], "is not a size"),
        (["--size", "100000TB"], "B, kB, MB, GB, KiB, MiB, GiB"),
        (["--rank", "2", "--rescale", "-1"], "is no strength"),
        (["--recipe", "fro_ckpt=1,thr=-3"], "give it with --base"),
    ],
)
def test_refusals(arguments: list[str], message: str, loras: Path, tmp_path: Path, run: Run) -> None:
    code, _, err = run("resize", loras / "a.safetensors", "-o", tmp_path / "x.safetensors", *arguments)
    assert code == 2 and message in err and list(tmp_path.iterdir()) == []


def test_merge_and_extract(loras: Path, tmp_path: Path, run: Run) -> None:
    a, b = loras / "a.safetensors", loras / "b.safetensors"
    both, base, back = tmp_path / "m.safetensors", tmp_path / "base", tmp_path / "e.safetensors"
    assert run("merge", f"{a}:0.5", f"{b}:1:0", "-o", both)[0] == 0
    assert run("merge", both, "--base", "tiny", "-o", base)[0] == 0
    assert run("extract", base, "tiny", "-o", back, "--rank", 12, "--precision", "fp32")[0] == 0
    assert apart(changes(back), changes(both)) < 1e-3
    assert run("merge", a, b, "-o", tmp_path / "r.safetensors", "--rank", 4)[0] == 0
    code, _, err = run("merge", a, "--base", "tiny", "--rank", 4, "-o", tmp_path / "x")
    assert code == 2 and "a base model has no ranks" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("resize", "a", "--rank", 2),
        ("merge", "a", "b"),
        ("merge", "a", "b", "--rank", 2),
        ("convert", "a", "--to", "comfyui"),
        ("metadata", "a", "--strip"),
    ],
)
def test_a_file_that_programs_would_not_find_is_not_written(
    arguments: tuple[object, ...], loras: Path, tmp_path: Path, run: Run
) -> None:
    words = [loras / f"{word}.safetensors" if word in ("a", "b") else word for word in arguments]
    for name in ("x", "x.ckpt", "v1.5"):
        code, _, err = run(*words, "-o", tmp_path / name)
        assert code == 2 and "must end with .safetensors" in err
        assert f"-o {tmp_path / name}.safetensors" in " ".join(err.split())
    assert list(tmp_path.iterdir()) == []


def test_extract_takes_models_alone(loras: Path, tmp_path: Path, run: Run) -> None:
    a, out = loras / "a.safetensors", tmp_path / "x.safetensors"
    for models in ((a, "tiny"), ("tiny", a)):
        code, _, err = run("extract", *models, "-o", out, "--rank", 4)
        assert code == 2 and "is a LoRA, and extract compares two models" in " ".join(err.split())
    code, _, err = run("extract", tmp_path / "no.safetensors", "tiny", "-o", out, "--rank", 4)
    assert code == 2 and "no.safetensors" in err and "is a LoRA" not in err


def test_a_name_of_nothing_is_wrong_input_and_no_broken_file(loras: Path, tmp_path: Path, run: Run) -> None:
    for command in ("check", "info"):
        code, out, err = run(command, loras / "a.safetensors", tmp_path / "no.safetensors")
        assert code == 2 and "no.safetensors does not exist" in " ".join(err.split()) and not out


def test_strengths_as_sample_has_them(loras: Path) -> None:
    one: Any = weighted(f"{loras / 'a.safetensors'}:0.8:0.5")
    text, unet = (next(n for n in one.file.layers if n.startswith(start)) for start in ("lora_te", "lora_unet"))
    assert (strength_of(one, unet), strength_of(one, text)) == (0.8, 0.5)


def test_info_of_a_folder_and_of_what_is_no_lora(loras: Path, tmp_path: Path, run: Run) -> None:
    code, out, _ = run("info", loras)
    assert code == 0 and out.count("SD 1.x") == 2 and "█" in out
    assert [row["family"] for row in json.loads(run("info", loras, "--json")[1])] == ["SD 1.x"] * 2
    code, _, err = run("info", tmp_path)
    assert code == 2 and "holds no .safetensors file" in err


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        ("merge A no.safetensors --rank 0 --recipe foo=1,thr=2,bar", ["'-o'", "'--rank'", "foo", "bar", "no.saf"]),
        ("merge A --recipe foo --base nobase.safetensors -o x", ["foo", "nobase.safetensors"]),
        ("resize A no.safetensors --rescale 0 --size banana --recipe foo", ["'-o'", "no.saf", "--rescale", "foo"]),
        ("resize A --precison fp16 --rank x", ["--precision", "'--rank'", "'-o'"]),
        ("extract A nobase.safetensors -o x.ckpt", ["nobase.safetensors", "--rank 32", "must end with"]),
        ("convert no.safetensors -o x.ckpt --to kohyaa --fused", ["no.safetensors", "'--to'"]),
        ("metadata A --set title --set =x", ["'title'", "'=x'", "where to write"]),
        ("check A --for comfy --for pefft", ['"comfyui"', '"peft"']),
    ],
)
def test_all_that_is_wrong_is_told_at_once(
    arguments: str, messages: list[str], loras: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*[loras / "a.safetensors" if word == "A" else word for word in arguments.split()])
    assert code == 2 and "things are wrong" in err
    assert [message for message in messages if message not in err] == []
    assert "how much to keep" not in err and not list(tmp_path.iterdir())
