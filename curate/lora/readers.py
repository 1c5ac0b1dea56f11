"""Which program reads what of a LoRA file, as their code does it (commits in the project's notes on adapters)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from curate.adapters.algorithm import algorithms
from curate.adapters.key_names import split
from curate.lora.file import LoraFile

KOHYA = ("kohya", "kohya-diffusers")
ATTENTION = ("_to_q", "_to_k", "_to_v", "_to_out_0")


@dataclass(frozen=True, slots=True)
class Reader:
    """A program: whose names it reads, and which algorithms.

    refuses   it reads nothing of a file with a layer that it does not read
    dora      the axes of DoRA that it applies as they were trained
    tucker    whether it reads core tensors
    instead   how to make a file that it reads
    """

    name: str
    title: str
    spellings: tuple[str, ...]
    algorithms: tuple[str, ...]
    refuses: bool = False
    dora: tuple[str, ...] = ()
    tucker: bool = True
    to: str = "kohya"


READERS = {
    reader.name: reader
    for reader in (
        Reader(
            "comfyui",
            "ComfyUI",
            (*KOHYA, "original", "lycoris", "diffusers", "diffusers-old", "comfyui"),
            ("lora", "loha", "lokr", "glora", "diag-oft", "boft", "full", "norm"),
            dora=("input",),
        ),
        Reader(
            "a1111",
            "A1111",
            KOHYA,
            ("lora", "loha", "lokr", "glora", "ia3", "diag-oft", "boft", "full", "norm"),
            dora=("input",),
        ),
        Reader(
            "kohya",
            "kohya's scripts",
            KOHYA,
            ("lora", "loha", "lokr", "glora", "ia3", "diag-oft", "boft", "full", "norm"),
            dora=("input", "output"),
        ),
        Reader(
            "diffusers",
            "diffusers",
            (*KOHYA, "diffusers", "diffusers-old"),
            ("lora",),
            refuses=True,
            dora=("output",),
            tucker=False,
            to="diffusers",
        ),
        Reader("peft", "PEFT", ("peft",), ("lora", "loha", "lokr"), refuses=True, dora=("output",), to="peft"),
    )
}
HOMES = {
    "kohya": "kohya",
    "kohya-diffusers": "kohya",
    "lycoris": "comfyui",
    "original": "comfyui",
    "comfyui": "comfyui",
    "native": "comfyui",
    "native-kohya": "comfyui",
    "diffusers": "diffusers",
    "diffusers-old": "diffusers",
    "peft": "peft",
}
"""The program whose names they are."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a program makes of a file.

    reads    layers that it reads, of `layers`
    reasons  what it passes over or does otherwise, and how many layers that concerns
    differs  it reads the layers and applies them otherwise than they were trained
    """

    reader: Reader
    reads: int
    layers: int
    reasons: Mapping[str, int]
    differs: bool

    @property
    def whole(self) -> bool:
        """Whether all of the file has its effect."""
        return self.reads == self.layers and not self.differs

    @property
    def partial(self) -> bool:
        """Whether a part is lost, and nobody is told."""
        return (0 < self.reads < self.layers) or (self.reads > 0 and self.differs)

    @property
    def text(self) -> str:
        """The verdict in words."""
        if self.whole:
            return "reads all"
        if self.reads == self.layers:
            return "reads all, applies it otherwise"
        if self.reads:
            return f"reads {self.reads} of {self.layers} layers"
        return "refuses it" if self.reader.refuses else "reads nothing"


def verdict(file: LoraFile, reader: Reader) -> Verdict:
    """What a program makes of a file's layers; keys of no layer count as one layer each that is not read."""
    reasons: dict[str, int] = {}
    reads, differs = 0, False
    misread = _misread_alphas(file) if reader.name == "diffusers" else frozenset[str]()
    for layer in file.layers:
        lost = next(iter(_not_read(file, layer, reader)), "")
        otherwise = next(iter(_otherwise(file, layer, reader)), "") if not lost else ""
        if not lost and layer in misread:
            otherwise = otherwise or "alphas of their own under kohya's names"
        reads += not lost
        differs |= bool(otherwise)
        for reason in filter(None, (lost, otherwise)):
            reasons[reason] = reasons.get(reason, 0) + 1
    if file.unknown:
        reasons["keys of no layer"] = len(file.unknown)
    layers = len(file.layers) + len(file.unknown)
    if reader.refuses and reads < layers:
        reads = 0
    return Verdict(reader, reads, layers, reasons, differs)


def _not_read(file: LoraFile, layer: str, reader: Reader) -> Iterator[str]:
    keys = file.layers[layer]
    own = file.table.family.readers if file.table else {}
    algorithm = file.algorithm(layer)
    lokr = _lokr_names(file, reader) if algorithm == "lokr" else ()
    if file.table is not None:
        spellings = {file.table.names[split(key)[0]].spelling for key in keys.values()}
        known_names = lokr or (own.get(reader.name, ()) if own else reader.spellings)
        if "native-kohya" in known_names and not file.table.layer_names[layer].joint:
            known_names = (*known_names, "kohya")  # the original network has this layer under the same name
        if odd := next((s for s in sorted(spellings) if s not in known_names), ""):
            yield "layer names that no program knows" if odd == "broken" else f"names of {_program(odd)}"
    if algorithm not in reader.algorithms and not lokr:
        known = algorithms().get(algorithm)
        yield known.title if known else f"unknown tensors ({', '.join(sorted(keys))})"
    if own and reader.name == "diffusers" and "alpha" in keys and not _takes_alpha(file, keys, bool(lokr)):
        yield "an alpha, which it takes for an error"
    if reader.refuses and not own and "dora_scale" in keys and _axis(file, layer) not in reader.dora:
        yield f"DoRA along the {_axis(file, layer)}s"
    if not reader.tucker and "lora_mid.weight" in keys:
        yield "core tensors (tucker)"
    if algorithm == "boft" and reader.name == "comfyui" and "alpha" not in keys:
        yield "BOFT without alpha"
    if reader.name == "diffusers" and _is_point_of_linear(file, layer):
        yield "convolutions where its model has linear layers"


def _lokr_names(file: LoraFile, reader: Reader) -> tuple[str, ...]:
    """The names under which diffusers (0.42) reads LoKr of a file's family."""
    return file.table.family.diffusers_lokr if file.table and reader.name == "diffusers" else ()


def _takes_alpha(file: LoraFile, keys: Mapping[str, str], lokr: bool) -> bool:
    """Whether diffusers reads an alpha under these names of a flow family: LoKr's under all but its own."""
    assert file.table is not None
    spellings = {file.table.names[split(key)[0]].spelling for key in keys.values()}
    return "diffusers" not in spellings if lokr else spellings <= {*KOHYA, "native-kohya"}


def _otherwise(file: LoraFile, layer: str, reader: Reader) -> Iterator[str]:
    keys = file.layers[layer]
    if "dora_scale" in keys:
        axis, flow = _axis(file, layer), file.table is not None and bool(file.table.family.readers)
        if flow and reader.name == "diffusers":
            yield "DoRA, whose lengths it leaves out"
        elif axis not in reader.dora:
            yield f"DoRA along the {axis}s"
    configured = file.layer_name(layer)
    if configured and "alpha" not in keys and "lora_down.weight" in keys and reader.name not in ("diffusers", "peft"):
        tensors = file.tensors(layer)
        if "alpha" in tensors and abs(float(tensors["alpha"]) - tensors["lora_down.weight"].shape[0]) > 1e-6:
            yield "a strength that stands only in the configuration"
    turned = reader.name == "comfyui" and file.algorithm(layer) in ("diag-oft", "boft")
    if turned and "alpha" in keys and float(file.read(keys["alpha"])) > 0:
        yield "OFT with a constraint"


def _is_point_of_linear(file: LoraFile, layer: str) -> bool:
    """Whether it is a projection of SD 2.x as kohya stores it."""
    name, down = file.layer_name(layer), file.layers[layer].get("lora_down.weight")
    if name is None or down is None or file.table is None or not file.table.frame.stored_as_point(name):
        return False
    return len(file.entry(down).shape) == 4


def _misread_alphas(file: LoraFile) -> frozenset[str]:
    """Layers whose alpha diffusers (0.42) mistakes for another's.

    Of kohya's names it looks for alphas that are not the model's most frequent under names that attention layers and
    text encoders do not have.
    """
    found: dict[str, dict[str, float]] = {}
    for layer, keys in file.layers.items():
        name = file.layer_name(layer)
        if name is not None and file.table is not None and "alpha" in keys and "lora_down.weight" in keys:
            spelling = file.table.names[split(keys["alpha"])[0]].spelling
            if spelling in KOHYA:
                found.setdefault(name.part, {})[layer] = float(file.read(keys["alpha"]))
    misread: list[str] = []
    for part, alphas in found.items():
        usual = Counter(alphas.values()).most_common(1)[0][0]
        own = [layer for layer, alpha in alphas.items() if alpha != usual]
        misread += [layer for layer in own if part != "unet" or layer.endswith(ATTENTION)]
    return frozenset(misread)


def _axis(file: LoraFile, layer: str) -> str:
    """Whether a DoRA has a length for each input or for each output."""
    return "input" if file.entry(file.layers[layer]["dora_scale"]).shape[0] == 1 else "output"


def _program(spelling: str) -> str:
    from_home = READERS[HOMES[spelling]].title
    network = dict.fromkeys(("native", "native-kohya"), "the original network")
    return {"lycoris": "SimpleTuner", "original": "ComfyUI", **network}.get(spelling, from_home)
