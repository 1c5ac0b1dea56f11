"""Requirements: everything that a run will need is looked for before the first picture is touched."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from curate.core.conflicts import RightOptions, UnknowableError
from curate.core.disk_errors import has_room
from curate.core.findings import combined
from curate.core.stage import Env, Stage
from curate.drive.session import env_over
from curate.errors import CurateError, InputError, MissingError
from curate.images import masks, may_be_picture
from curate.pipeline import PipelineError, RunOptions
from curate.scan import list_pictures
from curate.storage import backend_missing, local_archives


def check_requirements(
    stages: Sequence[Stage],
    env: Env,
    inputs: Sequence[Path | str] = (),
    *,
    writes: bool = True,
    executor: str = "local",
    destination: str = "",
    pauses: bool = False,
) -> None:
    """Raises InputError or MissingError that names all that is wrong or missing, each with its remedy.

    `inputs` are the folders and addresses that a run prepares, `writes` whether pictures are written to `env.output`,
    `destination` the address that it is for. Stages that write elsewhere look at that place themselves. `pauses` says
    that the person looks at the dataset before a training, and may write its captions then.
    """
    addresses = [one for one in (*inputs, destination) if isinstance(one, str) and one]
    folders = [one for one in inputs if isinstance(one, Path)]
    output = _output(env.output) if writes else ()
    captioned = [] if pauses else stages
    lacks = [
        *output,
        *_executor(executor),
        *(lack for stage in stages for lack in stage.missing(env)),
        *_backends(addresses, env),
        # what is in a store or in archives is not known yet
        *(
            (*_masks(stages, env, folders), *_captions(captioned, env, folders))
            if len(folders) == len(inputs) and not any(map(local_archives, folders))
            else ()
        ),
    ]
    if lacks:
        raise combined(lacks)


def with_requirements(error: PipelineError) -> CurateError:
    """A refused pipeline together with what its stages lack, as far as they can be known.

    Only stages that look themselves are asked: others might fetch models first.
    """
    output = error.output or Path.cwd()
    env = env_over(output, output, error.run or RunOptions(), {}, None)
    lacks: list[CurateError] = []
    for stage in error.stages:
        kind = stage.kind if isinstance(stage, RightOptions) else type(stage)
        if issubclass(kind, Stage) and kind.missing is not Stage.missing:
            with contextlib.suppress(UnknowableError):
                lacks += stage.missing(env)
    return combined([error, *lacks]) if lacks else error


def _executor(name: str) -> Iterator[CurateError]:
    spec = importlib.util.find_spec(name) if name != "local" else None
    # a folder of that name, which is no package, has no origin
    if name != "local" and (spec is None or spec.origin is None):
        yield MissingError(f"executor {name}: the package {name} is not installed", f"pip install 'curate[{name}]'")


def _backends(addresses: Sequence[str], env: Env) -> Iterator[CurateError]:
    """What is not installed to open addresses."""
    for message, remedy in dict.fromkeys(map(backend_missing, addresses)):
        if message:
            yield MissingError(message, remedy)
    for address in dict.fromkeys(addresses):
        if env.offline and address.startswith("hf://"):
            remedy = "leave out run.offline and HF_HUB_OFFLINE"
            yield MissingError(f"{address} is on the model hub, and this run is offline", remedy)


def _masks(stages: Sequence[Stage], env: Env, inputs: Sequence[Path]) -> Iterator[CurateError]:
    """Masks that a stage needs: they lie in the input or in the prepared folder, or a stage makes them."""
    if not inputs or not any(s.needs_masks for s in stages) or any(s.makes_masks for s in stages):
        return
    if (env.output / masks.FOLDER).is_dir() or any(one.mask for one in list_pictures(inputs, _silent, env.output)):
        return
    where = ", ".join(map(str, inputs))
    yield InputError(
        f"masked_loss: no picture in {where} has a mask",
        f"the mask of dog/a.jpg is {masks.FOLDER}/dog/a.png or dog/a-masklabel.png: white is learned, black is not",
    )


def _captions(stages: Sequence[Stage], env: Env, inputs: Sequence[Path]) -> Iterator[CurateError]:
    """Captions that a training needs: they lie beside pictures, a person wrote them there or here, or a stage does."""
    endings = tuple(ending for stage in stages for ending in stage.needed_captions)
    if not inputs or not endings or any(s.makes_captions for s in stages):
        return
    if any(name.casefold().endswith(endings) for place in (*inputs, env.output) for name in _names(place)):
        return
    if not any(may_be_picture(name) for place in inputs for name in _names(place)):
        return  # which reading the input says
    where = ", ".join(map(str, inputs))
    yield InputError(
        f"train: no picture in {where} has a caption, and no stage of the pipeline writes captions",
        "add the stage `tag` before export, or `trigger` for the trigger words alone; or write each caption beside its "
        "picture (dog/a.txt for dog/a.jpg), or by hand when `curate run --review` pauses",
    )


def _names(place: Path) -> Iterator[str]:
    """Names of the files below a folder; hidden folders, as the ledger is one, are left out."""
    seen = set[str]()
    for root, folders, names in os.walk(place, followlinks=True):
        # a link may lead back
        seen.add(os.path.realpath(root))
        folders[:] = [
            one for one in folders if not one.startswith(".") and os.path.realpath(f"{root}/{one}") not in seen
        ]
        yield from (name for name in names if not name.startswith("."))


def _silent(_: object) -> None:
    """A listener that drops events."""


def _output(output: Path) -> Iterator[CurateError]:
    remedy = "choose another output folder"
    place = next(p for p in (output, *output.parents) if p.exists())
    if not place.is_dir():
        yield InputError(f"cannot write to {output}: {place} is a file", remedy)
    elif not os.access(place, os.W_OK | os.X_OK):
        yield InputError(f"cannot write to {output}: no permission to write to {place}", remedy)
    elif not has_room(place):
        yield MissingError(f"the disk is full where {output} is to be", f"free some space, or {remedy}")
