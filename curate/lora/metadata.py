"""Shows, sets and removes metadata; the bytes of the tensors stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from curate.adapters import tensor_file
from curate.adapters.tensor_file import HASHES, TensorFile
from curate.core.findings import combined
from curate.core.registry import nearest
from curate.errors import InputError
from curate.lora import output
from curate.lora.file import locate

PRIVATE = (
    "ss_tag_frequency",
    "ss_dataset_dirs",
    "ss_reg_dataset_dirs",
    "ss_datasets",
    "ss_bucket_info",
    "ss_training_comment",
    "ss_session_id",
    "ss_training_started_at",
    "ss_training_finished_at",
    "modelspec.trigger_phrase",
    "modelspec.tags",
    "modelspec.author",
    "modelspec.thumbnail",
    "curate.dataset",
    "curate.run",
)
"""What tells of the training pictures, of the machine and of the person."""
NAME, TITLE = "ss_output_name", "modelspec.title"
"""The LoRA's name, which is the training folder's unless a person gave another; and its title, by default the name."""
PATHS = ("ss_sd_model_name", "ss_vae_name", "modelspec.merged_from")
"""Values that may be paths: of those the file's name stays."""
LONGEST_KEY = 256


def values_of(path: str) -> dict[str, str]:
    """The metadata of any safetensors file. Raises InputError."""
    return dict(TensorFile.open(locate(Path(path).expanduser())).metadata)


def rewrite(
    path: str,
    target: Path,
    overwrite: bool = False,
    values: Mapping[str, str] | None = None,
    remove: Sequence[str] = (),
    private: bool = False,
    everything: bool = False,
) -> dict[str, tuple[str | None, str | None]]:
    """Writes a file with other metadata, and returns what changed: key to value before and after.

    values      keys to set
    remove      keys to remove
    private     removes what tells of the training folder, and folders in front of file names; the LoRA's name becomes
                that of the new file, and so does its title where no other was given
    everything  removes all but what readers need: kohya's five and the hashes

    Raises InputError for a key that is not there, and for a target that is there.
    """
    file = TensorFile.open(locate(Path(path).expanduser()))
    before = dict(file.metadata)
    output.check_target(target, overwrite)
    after = _changed(before, values or {}, remove, target.stem if private else "", everything)
    meant = dict(after)
    if before.keys() & set(HASHES) or values or remove or private or everything:
        meant |= dict.fromkeys(HASHES[:2], "")
        if any(key.startswith("modelspec.") for key in after):
            meant[HASHES[2]] = ""
    tensor_file.write_header(file, target, meant)
    now = dict(TensorFile.open(target).metadata)
    keys = dict.fromkeys([*before, *now])
    return {key: (before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)}


KEPT = ("ss_v2", "ss_base_model_version", "ss_network_module", "ss_network_dim", "ss_network_alpha", "ss_network_args")
"""What kohya leaves with --no_metadata: readers need it."""
FORMAT = "format"
NEEDED = ("lora_adapter_metadata", FORMAT)
"""What diffusers reads: without it the strength of a file is another."""


def _changed(
    before: Mapping[str, str], values: Mapping[str, str], remove: Sequence[str], new_name: str, everything: bool
) -> dict[str, str]:
    """The metadata as they are to be; with a new name what is private is gone. Raises InputError."""
    if wrong := list(_refused(before, values, remove)):
        raise combined(wrong)
    after = dict(before)
    if everything:
        after = {k: v for k, v in after.items() if k in (*KEPT, *NEEDED) or k == "modelspec.architecture"}
    if new_name:
        after = _without_private(after, new_name)
    for key in remove:
        after.pop(key, None)
    for key, value in values.items():
        after[key] = value
    return after


def _refused(before: Mapping[str, str], values: Mapping[str, str], remove: Sequence[str]) -> Iterator[InputError]:
    for key in remove:
        if key not in before:
            yield InputError(f'there is no "{key}" in the metadata', nearest(key, list(before)))
    for key in dict.fromkeys((*remove, *values)):
        if key in NEEDED[:1]:
            yield InputError(f"{key} holds the strength of the LoRA", "leave it as it is")
        elif key == FORMAT:
            yield InputError(
                f"{key} is safetensors' own key: it names the library that wrote the tensors", "leave it as it is"
            )
    for key in values:
        if not key or len(key) > LONGEST_KEY:
            yield InputError(f'"{key[:20]}…" is no key', "write KEY=VALUE")
        elif key in HASHES:
            yield InputError(f"{key} is computed from the file", "leave it out")


def _without_private(metadata: Mapping[str, str], new_name: str) -> dict[str, str]:
    after = {key: value for key, value in metadata.items() if key not in PRIVATE}
    after |= {key: _file_names(after[key]) for key in PATHS if key in after}
    derived = [key for key in (NAME, TITLE) if key in after and after[key] == after.get(NAME)]
    return after | dict.fromkeys(derived, new_name)


def _file_names(text: str) -> str:
    """A path without its folders; a hub name (owner/model) stays."""
    is_path = "\\" in text or text.startswith(("/", "~", ".")) or text.count("/") > 1
    return text.replace("\\", "/").rpartition("/")[2] if is_path else text
