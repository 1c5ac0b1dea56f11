"""Archives of a prepared folder: WebDataset shards, parquet tables and a zip. The same folder gives the same bytes."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from curate.core.database import chunks
from curate.core.digests import text_digest
from curate.core.disk_errors import disk_errors
from curate.core.events import Listener, Note
from curate.core.files import digest_bytes, digest_file, prune_empty, remove_leftovers, write_atomic
from curate.core.store import Store
from curate.core.written import SideFile
from curate.folder.archive_entries import Entry, Sample
from curate.folder.parquet_table import TABLES, write_table
from curate.images import masks
from curate.names import unique

ZIP = "dataset.zip"
SHARDS = "webdataset"
"""The folder of the shards, `dataset-000000.tar` and so on."""


def zip_of(folder: Path, samples: Sequence[Sample]) -> dict[str, list[Entry]]:
    """One zip with the folder's layout: pictures, captions, masks."""
    return {ZIP: [entry for sample in samples for entry in _as_they_lie(folder, sample)]}


def shards_of(folder: Path, samples: Sequence[Sample], size: int) -> dict[str, list[Entry]]:
    """WebDataset shards of `size` pictures: `KEY.png`, `KEY.txt`, `KEY.json`, and `KEY.mask.png` where there is a mask.

    A reader takes what follows the first dot of a file name for the member's kind, so a key has no other dot.
    """
    wanted = [(str(s.path), s.path.with_name(s.path.stem.replace(".", "_") + s.path.suffix), "") for s in samples]
    keys = unique(wanted)
    return {
        f"{SHARDS}/dataset-{number:06d}.tar": [
            entry for s in part for entry in _as_members(folder, s, keys[str(s.path)].with_suffix("").as_posix())
        ]
        for number, part in enumerate(chunks(samples, size))
    }


def is_current(folder: Path, wanted: Mapping[str, Sequence[Entry]], store: Store) -> bool:
    """Whether `update` would write and remove nothing."""
    known = _known(store)
    if known.keys() - wanted.keys():
        return False
    for name, entries in wanted.items():
        if not (folder / name).is_file() or name not in known:
            return False
        changed = known[name].source != _content(entries, store)
        if changed and store.file_digests.of(folder / name, "blake2b") in known[name].digests:
            return False
    return True


def update(folder: Path, wanted: Mapping[str, Sequence[Entry]], store: Store, tell: Listener) -> None:
    """Writes the archives that changed and removes those that are not wanted any more, except where they are not ours.

    A killed run leaves the old archive or the new one. Raises CurateError where the disk refuses.
    """
    known = _known(store)
    for place in (SHARDS, TABLES):
        if (folder / place).is_dir():
            remove_leftovers(folder / place)
    for name, entries in wanted.items():
        path, content, before = folder / name, _content(entries, store), known.get(name)
        if path.is_file() and before is not None and before.source == content:
            continue
        earlier = before.digests if before else ()
        if path.exists() and digest_file(path) not in earlier:
            tell(Note("warning", f"{name} is not curate's: it is kept as it is", "export"))
            continue
        digest = _write(path, entries, earlier, store, name)
        store.keep_side_files("export", {name: SideFile(content, (digest,))})
    for name in known.keys() - wanted.keys():
        _remove(folder, name, known[name], store)


def _write(path: Path, entries: Sequence[Entry], earlier: Sequence[str], store: Store, name: str) -> str:
    digest = ""

    def write(temporary: Path) -> None:
        nonlocal digest
        _WRITERS[path.suffix](temporary, entries)
        digest = digest_file(temporary)
        # both, so that whichever of the two a kill leaves is known to be ours
        store.keep_side_files("export", {name: SideFile("", (*earlier, digest))})

    write_atomic(path, write)
    return digest


def _remove(folder: Path, name: str, known: SideFile, store: Store) -> None:
    path = folder / name
    with disk_errors(str(path)):
        if path.is_file() and digest_file(path) in known.digests:
            path.unlink()
            prune_empty(path.parent, folder)
    store.forget_side_files([name])


def _known(store: Store) -> dict[str, SideFile]:
    return {name: one for name, one in store.side_files("export").items() if name.endswith(tuple(_WRITERS))}


def _content(entries: Sequence[Entry], store: Store) -> str:
    """A digest of what an archive holds; a picture is read again only where it changed."""

    def digest(one: Path | bytes) -> str:
        return digest_bytes(one) if isinstance(one, bytes) else store.file_digests.of(one, "blake2b")

    return text_digest(*(part for name, one in entries for part in (name, digest(one))))


def _as_they_lie(folder: Path, sample: Sample) -> Iterator[Entry]:
    yield str(sample.path), folder / sample.path
    yield str(sample.path.with_suffix(sample.caption_suffix)), sample.caption.encode()
    mask = masks.FOLDER / sample.path.with_suffix(".png")
    if (folder / mask).is_file():
        yield mask.as_posix(), folder / mask


def _as_members(folder: Path, sample: Sample, key: str) -> Iterator[Entry]:
    yield key + sample.path.suffix, folder / sample.path
    yield f"{key}.txt", sample.caption.encode()
    yield f"{key}.json", json.dumps(sample.facts, ensure_ascii=False).encode()
    mask = folder / masks.FOLDER / sample.path.with_suffix(".png")
    if mask.is_file():
        yield f"{key}.mask.png", mask


def _write_tar(path: Path, entries: Sequence[Entry]) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in entries:
            about = tarfile.TarInfo(name)  # no times, owners and rights: the same bytes everywhere
            with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as f:
                about.size = f.seek(0, io.SEEK_END)
                f.seek(0)
                tar.addfile(about, f)


def _write_zip(path: Path, entries: Sequence[Entry]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries:
            about = zipfile.ZipInfo(name)  # of 1980, stored: pictures are compressed already
            about.create_system, about.external_attr = 3, 0o644 << 16
            with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as f:
                about.file_size = f.seek(0, io.SEEK_END)
                f.seek(0)
                with archive.open(about, "w") as member:
                    shutil.copyfileobj(f, member)


_WRITERS: dict[str, Callable[[Path, Sequence[Entry]], None]] = {
    ".zip": _write_zip,
    ".tar": _write_tar,
    ".parquet": write_table,
}
