"""What is remembered of training runs: which run this is, how far it came, which file it made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from curate import names
from curate.core.digests import text_digest
from curate.core.files import write_bytes
from curate.train.options import LATER, UNKEYED, TrainOptions, resolve
from curate.train.storage.paths import home, homes

VERSION = 4
"""Raise it when the same options and data give another LoRA than before."""
_NAMES = {"accumulate": "accumulate times processes"}
"""Options that messages call by what they come to; a run's `accumulate` counts the batches of all processes."""
_LATER = ("base_precision", "caption_wildcards")
"""Options that were added since: not keyed at their default, so that earlier runs are still known."""


def output_folder(options: TrainOptions, folder: Path) -> Path:
    """Where LoRA files go."""
    return Path(options.output_dir).expanduser() if options.output_dir else folder / "lora"


def run_id(options: TrainOptions, data_digest: str, base_digest: str) -> str:
    """Identifies a run: everything that decides the bytes of its LoRA."""
    return text_digest(json.dumps(keyed(options), sort_keys=True), data_digest, base_digest, str(VERSION))[:16]


def keyed(options: TrainOptions) -> dict[str, Any]:
    """What decides the LoRA besides data and base, as JSON has it: options, and how optimizers have changed since."""
    values = options.model_dump(mode="json", exclude=set(UNKEYED))
    for name in _LATER:
        if values[name] == type(options).model_fields[name].default:
            del values[name]
    # under the name and in the form that both had as one option, so that runs of that time are still known
    guide, layers = values.pop("guide"), values.pop("layer_preset")
    values["preset"] = [name for name in (guide, layers) if name]
    for name in LATER:
        if values.get(name) == TrainOptions.model_fields[name].default:
            values.pop(name, None)
    revision = resolve.revision(options)
    return {**values, "optimizer_revision": revision} if revision else values


@dataclass
class Run:
    """The state file of one run.

    file     the LoRA's path once a name was taken for it, relative to the prepared folder where it lies inside
    sha256   of the finished file, empty before
    along    files that were saved along the way, earliest first, as absolute path and sha256
    options  those that decide the LoRA
    data     digest of pictures and captions
    base     digest of the base model, of another autoencoder and of the LoRA that is gone on from
    undrawn  whether the sample pictures after the last step were still to be drawn when it was last heard of
    """

    id: str
    device: str = ""
    file: str = ""
    sha256: str = ""
    along: list[list[str]] = field(default_factory=list[list[str]])
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    data: str = ""
    base: str = ""
    undrawn: bool = False

    @classmethod
    def of(cls, folder: Path, identity: str) -> Run:
        """What is remembered, or a new run."""
        try:
            state = next(p for place in homes(folder) if (p := place / identity / "run.json").is_file())
            found = json.loads(state.read_text(encoding="utf-8"))
            values: dict[str, Any] = {**found, "id": identity}
            return cls(**values)
        except (OSError, ValueError, TypeError, StopIteration):
            return cls(identity)

    def place(self, folder: Path) -> Path:
        """The run's own folder."""
        return home(folder) / self.id

    def save(self, folder: Path) -> None:
        """Writes the state file."""
        write_bytes(self.place(folder) / "run.json", json.dumps(asdict(self), indent=1).encode())

    def path(self, folder: Path) -> Path:
        """Where the LoRA is or will be."""
        return folder / self.file

    def saves(self, folder: Path) -> list[Path]:
        """Where the files that were saved along the way are, also after the folder was moved or copied."""
        return [self.save_place(folder, path) for path, _ in self.along]

    def save_place(self, folder: Path, path: str) -> Path:
        """Where a file that was saved along the way is: beside the LoRA, if it is there."""
        beside = self.path(folder).parent / Path(path).name
        return beside if self.file and beside.is_file() else Path(path)

    def is_finished(self, folder: Path) -> bool:
        """Whether the finished file is there as it was written."""
        if not self.sha256:
            return False
        try:
            with self.path(folder).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except OSError:
            return False


def runs_of(folder: Path) -> list[Run]:
    """The runs of a folder, the one last worked on at the end."""
    found = [path for place in homes(folder) for path in place.glob("*/run.json")]
    states = sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.parent.name))
    return [Run.of(folder, path.parent.name) for path in states]


def lora_files(run: Run, folder: Path) -> list[Path]:
    """The run's LoRA files that are there, the finished one last."""
    paths = [*run.saves(folder), *([run.path(folder)] if run.file and run.sha256 else [])]
    return [path for path in paths if path.is_file()]


def interrupted(run: Run, folder: Path) -> str:
    """What the latest run that was not finished differs in from this one; nothing where there is none.

    A checkpoint is gone on from where options and data are those it was made with; who changed them should know.
    """
    left = [path for path in home(folder).glob("*/step-*.pt") if path.parent.name != run.id]
    if not left:
        return ""
    path = max(left, key=lambda p: (p.stat().st_mtime_ns, p.name))
    other = Run.of(folder, path.parent.name)
    if other.sha256 or not other.data:
        return ""
    what = ["pictures or captions"] if other.data != run.data else []
    what += ["the base"] if other.base != run.base else []
    unlike = [name for name in run.options if run.options[name] != other.options.get(name)]
    what += [f"{_NAMES.get(name, name)} ({other.options.get(name)}, now {run.options[name]})" for name in unlike[:3]]
    what += [f"{len(unlike) - 3} more options"] if len(unlike) > 3 else []
    return f"an interrupted run is at step {int(path.stem[5:])}; it differs in {', '.join(what) or 'its version'}"


def file_name(words: str) -> str:
    """A file name that every system takes, from words."""
    return names.safe(words) if words.strip() else "lora"
