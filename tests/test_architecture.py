"""The house's rules: imports go down, help is cheap, every file says what it is for."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FILES = sorted(p for package in ("curate", "taggers", "cleaners") for p in (ROOT / package).rglob("*.py"))
RIDDLES = frozenset({
    "found", "said", "told", "stands", "look", "looks", "looked", "door", "gate", "amend", "amends",
    "crew", "labour", "labor", "hungry", "flying",
})  # fmt: skip
HEAVY = ("torch", "onnxruntime", "transformers", "diffusers", "ray", "scipy", "spandrel")


def test_imports_only_go_down() -> None:
    program = Path(sysconfig.get_path("scripts")) / "lint-imports"
    if not program.exists() and not program.with_suffix(".exe").exists():
        pytest.skip("import-linter is not installed beside this interpreter")
    done = subprocess.run([str(program), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "work",
    [
        "import curate.cli.main",
        "import curate.cli.main; curate.cli.main._mount(['--help'])",
        "from curate.pipeline import schema; schema()",
        "import taggers, cleaners",
        "import curate.stages.train, curate.train.output.fingerprint, curate.train.planning.checks",
    ],
    ids=["import", "help", "schema", "engines", "trained already"],
)
def test_help_loads_nothing_heavy(work: str) -> None:
    assert not loaded(work) & set(HEAVY)


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_the_first_page_loads_no_option_types(argument: str) -> None:
    """pydantic takes longer to load than all else that such a page needs."""
    work = f"import contextlib, curate.cli.main as m\nwith contextlib.suppress(SystemExit): m.main(['{argument}'])"
    assert not loaded(work) & {"pydantic", "numpy", "rich", "multiprocessing"}


def test_a_worker_process_loads_no_command_line() -> None:
    """A spawned process imports what the console script imports, before it is given any work."""
    script = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]["curate"]
    work = f"from {script.partition(':')[0]} import main; import curate.executors.worker_process"
    assert not loaded(work) & {"typer", "pydantic", "numpy", "rich"}


def loaded(work: str) -> set[str]:
    """The top-level modules that are there after `work`."""
    program = f"{work}\nimport json, sys\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@cache
def trees() -> dict[str, ast.Module]:
    """What each file says, by its path below the root."""
    return {p.relative_to(ROOT).as_posix(): ast.parse(p.read_text(encoding="utf-8")) for p in FILES}


def test_a_file_says_what_it_is_for() -> None:
    assert [path for path, tree in trees().items() if tree.body and not ast.get_docstring(tree)] == []


def test_no_file_holds_somebodys_path() -> None:
    pattern = re.compile(r"""["'\s(](/(?:home|Users|root|work|tmp|mnt)/\w+|[A-Z]:\\\\?Users)""")
    found = [f"{p}: {m[1]}" for p in FILES if (m := pattern.search(p.read_text(encoding="utf-8")))]
    assert found == []


def test_no_test_imports_another() -> None:
    """What tests share stands in a conftest.py or in a module of helpers."""
    found = [f"{p.relative_to(ROOT)}: {name}" for p in TESTS for name in imported(p) if is_test(name)]
    assert found == []


def imported(path: Path) -> list[str]:
    """Every name that a file imports, the modules' and what is taken from them."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
    return names


def is_test(name: str) -> bool:
    """Whether a module's name, or a relative one, is that of a file of tests."""
    first, *rest = name.split(".")
    return first in ("tests", "") and any(part.startswith("test_") for part in rest)


def test_no_conditional_expression_stands_in_another() -> None:
    def inner(node: ast.IfExp) -> bool:
        return any(isinstance(one, ast.IfExp) for part in (node.test, node.body, node.orelse) for one in ast.walk(part))

    nested = [
        f"{path}:{node.lineno}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.IfExp) and inner(node)
    ]
    assert nested == []


def test_public_names_are_words_that_one_would_search_for() -> None:
    """Public classes, functions, parameters, fields and constants: `result`, `records` or `message`, never `found`."""
    riddles = [f"{p.relative_to(ROOT)}:{line} {name}" for p in FILES for line, name in public(p) if is_riddle(name)]
    assert riddles == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def read(path, found=0, *told, said, **look): pass", {"read", "path", "found", "told", "said", "look"}),
        (
            "class Door:\n  stands: int\n  def __init__(self, gate): pass\n  def _own(self, found): pass",
            {"Door", "stands", "__init__", "self", "gate"},
        ),
        ("DOOR = Found = 1\n_door: int = 2\ndef _own(found):\n  told = 1", {"DOOR", "Found"}),
    ],
    ids=["function", "class", "constants"],
)
def test_every_public_name_is_checked(tmp_path: Path, source: str, names: set[str]) -> None:
    path = tmp_path / "module.py"
    path.write_text(source, encoding="utf-8")
    assert {name for _, name in public(path)} == names


@pytest.mark.parametrize(("name", "riddle"), [("looks_like_picture", True), ("PictureDoor", True), ("lookup", False)])
def test_names_are_divided_into_words(name: str, riddle: bool) -> None:
    assert is_riddle(name) == riddle


def public(path: Path) -> list[tuple[int, str]]:
    """Lines and names of what other modules may use of a file, parameters and fields included."""
    return list(declared(ast.parse(path.read_text(encoding="utf-8"))))


def declared(node: ast.Module | ast.ClassDef) -> Iterator[tuple[int, str]]:
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and is_public(one.name):
            given = one.args
            own = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
            yield from ((one.lineno, name) for name in (one.name, *(argument.arg for argument in own)))
        elif isinstance(one, ast.ClassDef) and is_public(one.name):
            yield one.lineno, one.name
            yield from declared(one)
        elif isinstance(one, ast.Assign | ast.AnnAssign):
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            yield from ((one.lineno, t.id) for t in targets if isinstance(t, ast.Name) and is_public(t.id))


def is_public(name: str) -> bool:
    return not name.startswith("_") or name.endswith("__")


def is_riddle(name: str) -> bool:
    """Whether a word of the name, as snake_case or CamelCase divide it, is none to search for."""
    return not RIDDLES.isdisjoint(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))


@pytest.mark.parametrize(
    ("pattern", "places"),
    [
        (r"warnings\.(catch_warnings|filterwarnings|simplefilter)\(", {"core/warning_filters", "upscalers/weights"}),
        (r"\b(MAX_IMAGE_PIXELS|LOAD_TRUNCATED_IMAGES|READ_LIBTIFF)\b[^=\n]* = ", {"decode/pillow_settings"}),
        (r"TIFFSet\w+Handler", {"decode/pillow_settings"}),
        (r"\bgc\.(set_threshold|disable|freeze)\(", {"core/garbage"}),
        (r"signal\.signal\(", {"cli/termination", "drive/process_state", "executors/worker_process", "executors/ray"}),
        (r"_dynamo\.config\.\w+ = ", {"runtime/compile"}),
        (r"torch\.(set_num_threads|use_deterministic_algorithms)\(", {"diffusion/device"}),
        (
            r"os\.umask\(|os\.chdir\(|setlocale\(|setNumThreads\(|os\.environ\[[^]]*\] = ",
            {"executors/ray_worker", "cli/interpreter"},
        ),
    ],
)
def test_what_belongs_to_the_process_is_set_in_one_place(pattern: str, places: set[str]) -> None:
    """Each of these places puts back what it changed; a worker process has nobody to put it back for."""
    users = {p for p in FILES if re.search(pattern, p.read_text(encoding="utf-8"))}
    assert {"/".join(p.with_suffix("").parts[-2:]) for p in users} == places
