"""Which models a name stands for, and their errors as ours."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path

import taggers
from curate.core.scores import Scores
from curate.core.stage import Env
from curate.core.store import Store
from curate.errors import InputError, MissingError
from taggers.errors import MissingModelError, NoGpuError, TaggerError


def called(name: str) -> str:
    """What scores of this tagger are kept under."""
    return name if name in taggers.names() else Path(name).expanduser().name


def find(names: Sequence[str], family: str, env: Env) -> Sequence[taggers.AtHand]:
    """The models at hand, fetched where they are not.

    Raises InputError where two have one name, MissingError offline.
    """
    own = [called(n) for n in names]
    if len(set(own)) < len(own):
        raise InputError(f"two taggers have the same name: {', '.join(own)}", "rename one of the model folders")
    with translated():
        return [taggers.find(n, family_name=family, offline=env.offline) for n in names]


def earlier(ledger: Store) -> tuple[str, ...]:
    """The taggers that most of a folder's pictures have scores of, as `find` takes them; nothing without scores.

    Raises InputError for a model folder that is no longer there.
    """
    sets = Counter(
        tuple(Scores(bytes.fromhex(str(row.record.get("scores", "")))).unpack()) for row in ledger.written().values()
    )
    del sets[()]
    names = sets.most_common(1)[0][0] if sets else ()
    return tuple(name if name in taggers.names() else _model_folder(name, ledger) for name in names)


def _model_folder(name: str, ledger: Store) -> str:
    """The folder of a model of that name among the files that the ledger has digests of."""
    for path in ledger.file_digests.paths():
        if path.parent.name == name and path.suffix in (".onnx", ".safetensors") and path.is_file():
            return str(path.parent)
    raise InputError(
        f"the folder was tagged with {name}, a model that is no longer where it was",
        "say where it is with --tagger FOLDER, or choose another tagger (`curate models`)",
    )


@contextlib.contextmanager
def translated() -> Generator[None]:
    """Errors of the taggers become ours."""
    try:
        yield
    except TaggerError as error:
        kind = MissingError if isinstance(error, (MissingModelError, NoGpuError)) else InputError
        raise kind(error.message, error.remedy) from error
