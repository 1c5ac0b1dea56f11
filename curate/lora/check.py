"""Would programs read a LoRA file, and what would each pass over: every problem with its remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from curate.adapters.file_hashes import hashes_of
from curate.adapters.key_names import DOWN, UP, split
from curate.core.findings import combined
from curate.core.registry import nearest
from curate.diffusion.base_weights import BaseWeights
from curate.diffusion.lora_family import declared_family
from curate.errors import CurateError, InputError
from curate.lora.changes import change_norm, layer_adapter
from curate.lora.file import LoraFile, open_lora
from curate.lora.output import key_spellings
from curate.lora.readers import HOMES, READERS, Reader, Verdict, verdict

USUAL = ("F16", "BF16", "F32")
ALPHA_FREE = ("ia3", "full", "norm", "diag-oft")
"""Algorithms whose files need no alpha."""
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, in how many layers or keys, a few of them by name, and the remedy.

    loses   something of the file would have no effect, or another one than it was trained for
    """

    message: str
    where: tuple[str, ...] = ()
    count: int = 0
    remedy: str = ""
    loses: bool = True


@dataclass(frozen=True)
class Checked:
    """Problems of a file, and what each program makes of it."""

    path: str
    family: str
    problems: tuple[Problem, ...]
    verdicts: tuple[Verdict, ...]
    wanted: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing would be lost: in the program whose names it has, in the wanted ones, in any by half."""
        if any(problem.loses for problem in self.problems):
            return False
        if not self.verdicts:
            return True
        if self.wanted:
            return all(one.whole for one in self.verdicts if one.reader.name in self.wanted)
        return any(one.whole for one in self.verdicts)


def check(path: str, base: BaseWeights | None = None, wanted: Sequence[str] = ()) -> Checked:
    """Checks a file; one that cannot be read at all is a problem as well. `wanted` are programs that must read all."""
    if odd := [name for name in wanted if name not in READERS]:
        raise combined(
            [InputError(f'--for: "{name}" is no program that is known', nearest(name, list(READERS))) for name in odd]
        )
    try:
        file = open_lora(path)
    except CurateError as error:
        return Checked(path, "", (Problem(error.message, remedy=error.remedy),), (), tuple(wanted))
    verdicts = tuple(verdict(file, reader) for reader in READERS.values()) if file.table else ()
    problems = [*_of_file(file), *_of_layers(file, base)]
    if base is not None:
        problems += _of_base(file, base)
    if file.table is None:
        title = file.title or "a family that curate does not know"
        problems.append(Problem(f"it is for {title}: its layers cannot be checked", loses=bool(wanted)))
    else:
        problems += _of_programs(file, verdicts, wanted)
    return Checked(path, file.title, tuple(problems), verdicts, tuple(wanted))


def _problem(message: str, where: Sequence[str], remedy: str, loses: bool = True) -> Problem:
    return Problem(message, tuple(where[:SHOWN]), len(where), remedy, loses)


def _of_file(file: LoraFile) -> Iterator[Problem]:
    """What the names, types and metadata tell."""
    if file.table and file.unknown:
        broken = [key for key in file.unknown if split(key)[0] in file.table.names]
        others = [key for key in file.unknown if key not in broken]
        if broken:
            yield _problem("layers that the file has twice", broken, "save it again from the training")
        if others:
            remedy = "ask its author which model and program it is for; `curate lora convert` leaves them out"
            yield _problem("keys that belong to no layer: every program passes over them", others, remedy)
    if file.table:
        keys = [layer for layer, held in file.layers.items() if "broken" in key_spellings(file, held)]
        if keys:
            yield _problem("layer names that no program knows", keys, "curate lora convert FILE --to kohya -o NEW")
    if odd := [dtype for dtype in file.dtypes if dtype not in USUAL]:
        where = [k for k in file.keys if file.entry(k).dtype in odd and split(k)[1] not in ("alpha", "on_input")]
        remedy = "curate lora resize FILE --recipe fro_lora,thr=-9 --precision fp16 -o NEW"
        yield _problem(f"numbers of type {', '.join(odd)}, which programs refuse or round", where, remedy)
    declared = declared_family(file.metadata)
    if file.table and declared and not file.may_be_for(declared):
        remedy = "remove the wrong words: curate lora metadata FILE --remove ss_base_model_version -o NEW"
        yield Problem(f"its metadata say that it is for {declared}, and its layers are of {file.title}", remedy=remedy)
    for opened in file.files:
        if not hashes_of(opened).fits:
            remedy = "curate lora metadata FILE --set modelspec.title=NAME -o NEW computes it again"
            yield Problem("sshs_model_hash is not that of the file: sites will not know it", (), 0, remedy, False)


def _of_layers(file: LoraFile, base: BaseWeights | None) -> Iterator[Problem]:
    """What the tensors of the layers tell."""
    found: dict[str, list[str]] = {}
    for layer in file.layers:
        for kind in _layer_problems(file, layer, base):
            found.setdefault(kind, []).append(layer)
    total = len(file.layers)
    for kind, layers in found.items():
        message, remedy, loses = KINDS.get(kind, (kind, "train or download it again", True))
        if kind in ("zero", "no alpha"):
            loses = len(layers) == total if kind == "zero" else len(layers) < total
        yield _problem(message, layers, remedy, loses)


KINDS = {
    "values": (
        "values that are not finite (NaN or infinity): pictures turn black",
        "take an earlier checkpoint, or train again with a lower learning rate",
        True,
    ),
    "zero": ("layers that change nothing", "curate lora resize FILE --recipe fro_lora,thr=-9 -o NEW drops them", True),
    "no alpha": (
        "layers without alpha: programs take the rank for it",
        "curate lora convert FILE --to kohya -o NEW writes it",
        True,
    ),
    "alpha 0": ("layers with alpha 0, which have no effect", "train again with an alpha above 0", True),
    "half": (
        "layers with only one of their two factors",
        "save or download it again",
        True,
    ),
    "unknown": (
        "tensors of an algorithm that curate does not know",
        "use it in the program that trained it, or merge it into the base there",
        True,
    ),
}


def _layer_problems(file: LoraFile, layer: str, base: BaseWeights | None) -> Iterator[str]:
    keys = file.layers[layer]
    algorithm = file.algorithm(layer)
    if (DOWN in keys) != (UP in keys):
        yield "half"
        return
    if not algorithm:
        yield "unknown"
        return
    tensors = file.tensors(layer)
    if not all(bool(t.float().isfinite().all()) for t in tensors.values()):
        yield "values"
        return
    if "alpha" not in tensors and algorithm not in ALPHA_FREE:
        if file.table is None or file.table.family.objective == "diffusion":  # others' readers want none
            yield "no alpha"
    elif algorithm not in (*ALPHA_FREE, "boft") and not float(tensors["alpha"]):
        yield "alpha 0"
    try:
        adapter = layer_adapter(file, layer, base, tensors)
    except InputError as error:
        if "depends on the base model" not in error.message:
            yield f"shapes that do not fit: {error.message.rpartition(f'{layer}: ')[2]}"
        return
    if not change_norm(adapter):
        yield "zero"


def _of_base(file: LoraFile, base: BaseWeights) -> Iterator[Problem]:
    """Whether it fits a given base."""
    if not file.may_be_for(base.family.name):
        message = f"it is for {file.title or 'an unknown family'}, and {base.name} is {base.family.title}"
        yield Problem(message, remedy="use a base of the LoRA's family")
        return
    if missing := [layer for layer in file.layers if layer not in base]:
        yield _problem(f"layers that {base.name} does not have", missing, "use the base that it was trained on")


def _of_programs(file: LoraFile, verdicts: Sequence[Verdict], wanted: Sequence[str]) -> Iterator[Problem]:
    """Programs that lose a part: those that must read it, or whose names the file has, or that read it by half."""
    assert file.table is not None
    homes = {HOMES.get(spelling) for keys in file.layers.values() for spelling in key_spellings(file, keys)}
    for one in verdicts:
        name = one.reader.name
        lost = name in homes and not one.reads and not _has_other_readers(file, one, verdicts)
        warned = _dora(one) and _has_other_readers(file, one, verdicts)
        matters = name in wanted if wanted else (one.partial and not warned) or lost
        if one.whole or not matters:
            continue
        if not wanted and one.differs and one.reads == one.layers and not _dora(one):
            # the strength in a configuration: the program whose names they are applies it
            continue
        reasons = ", ".join(f"{reason} ({count})" for reason, count in one.reasons.items())
        yield Problem(f"{one.reader.title} {one.text}: {reasons}", remedy=_remedy(file, one))


def _has_other_readers(file: LoraFile, one: Verdict, verdicts: Sequence[Verdict]) -> bool:
    """Whether a program refuses an algorithm whose layers another reads under the same names, of a flow family."""
    assert file.table is not None
    renamed = any(reason.startswith((*RENAMED, "an alpha")) for reason in one.reasons)
    return bool(file.table.family.readers) and not renamed and any(other.whole for other in verdicts)


def _names_for(file: LoraFile, reader: Reader) -> str:
    """The names that a program reads: where it reads the family's own, these."""
    own = file.table.family if file.table else None
    read = own.readers.get(reader.name, ()) if own else ()
    if own is None or not read:
        return reader.to
    return own.file_names if own.file_names in read else read[0]


RENAMED = ("names of", "layer names", "a strength", "alphas of", "convolutions where")
"""How reasons begin that are gone under the program's own names."""


def _dora(one: Verdict) -> bool:
    return any(reason.startswith("DoRA") for reason in one.reasons)


def _remedy(file: LoraFile, one: Verdict) -> str:
    """How to make a file that the program reads."""
    reasons = list(one.reasons)
    if any(reason.startswith("DoRA") for reason in reasons):
        return "merge it into the base: curate lora merge FILE --base MODEL -o NEW"
    if any(reason.startswith(RENAMED) for reason in reasons):
        return f"curate lora convert FILE --to {_names_for(file, one.reader)} -o NEW"
    return "curate lora resize FILE --recipe fro=0.99 -o NEW makes a plain LoRA"
