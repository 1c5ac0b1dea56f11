"""Stage denoise: measures signs of adversarial noise and cleans the pictures that show them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from cleaners import Clean, Cleaner, cleaner, names
from curate.core.findings import failures
from curate.core.path_options import FilePath, HubFileName, ModelName
from curate.core.record import Record
from curate.core.registry import names_schema
from curate.core.stage import Env, Pixels, RecordStage, Resources, Worker
from curate.errors import CurateError, InputError, PictureError
from curate.images import cleaning
from curate.images.cleaner_errors import translated

if TYPE_CHECKING:
    from cleaners.measures.noise import Signs

# by how much a cleaning may change a picture, in units of its noise; the smaller one for noise without fine grain
_MOST_CHANGE, _MOST_CHANGE_COARSE = 2.0, 1.1


def _known(name: str) -> str:
    """The name of a cleaner. Raises ValueError."""
    cleaner(name)
    return name


class Denoise(RecordStage):
    """Clean pictures that show signs of adversarial noise (Glaze, Nightshade, Mist …), measured before and after."""

    when: Literal["suspected", "always", "never"] = Field(
        "suspected",
        description=(
            "Pictures to clean: suspected (flagged by the measurement), always (all), or never (only measure)."
        ),
    )
    methods: tuple[Annotated[str, AfterValidator(_known), WithJsonSchema(names_schema(names()))], ...] = Field(
        ("adverse",),
        min_length=1,
        description="Cleaning methods, in order: "
        f"{', '.join(f'{name} ({cleaner(name).help})' for name in names())}; "
        "or the dotted path of a module with a cleaner.",
        examples=[(name,) for name in names()],
    )
    threshold: float = Field(1.0, gt=0, description="Pictures with a noise score above this are flagged.")
    detector: FilePath = Field(
        "",
        description=(
            "An ONNX classifier on disk to use in addition. Its last output is the class of perturbed pictures."
        ),
    )
    detector_threshold: float = Field(
        0.5, ge=0, le=1, description="The detector flags pictures above this probability."
    )
    detector_crops: int = Field(
        5, ge=1, description="Number of crops of each picture that the detector sees. Their scores are averaged."
    )
    detector_values: Literal["0..1", "-1..1", "imagenet"] = Field(
        "0..1", description="Range of pixel values that the detector expects."
    )
    detector_logits: bool = Field(True, description="The detector outputs logits (values before sigmoid or softmax).")
    model: HubFileName = Field(
        "realesr-general-wdn-x4v3",
        description="Network of upscale and down-up: a file, a hub name, a known name, or lanczos.",
    )
    factor: float = Field(0.5, ge=0.25, lt=1, description="Size to which down-up shrinks first: 0.5 or 0.75.")
    large: int = Field(
        1024,
        ge=0,
        description="Use down-up only on pictures whose shorter side is at least this, in pixels.",
    )
    diffusion: ModelName = Field(
        "stabilityai/stable-diffusion-x4-upscaler",
        description="Diffusion upscaler: a folder in diffusers' layout, or a hub name.",
    )
    sigma: float = Field(
        0.07, ge=0, le=0.5, description="Noise that the diffusion method adds first; 0.05 to 0.1 is usual."
    )
    steps: int = Field(20, ge=1, description="Denoising steps of the diffusion method.")
    seed: int = Field(0, ge=0, description="Random seed of the diffusion method and of the detector's crops.")
    guard: bool = Field(True, description="Discard a result that looks less natural than the original.")
    tile: int = Field(0, ge=0, description="Side of a network's tiles in pixels; 0 chooses it by free memory.")
    precision: Literal["auto", "full", "half"] = Field("auto", description="Number format of the network.")
    report: bool = Field(
        False,
        description=(
            "Save before, after and the difference × 8 side by side in .curate/denoise-report. curate"
            " report shows them."
        ),
    )

    # 3: the stage is one step, and no longer one of two classes by what it needs
    version: ClassVar[int] = 3
    within_output: ClassVar[bool] = True
    reads: ClassVar[frozenset[str]] = frozenset({"image", "facts"})
    writes: ClassVar[frozenset[str]] = frozenset({"image", "facts", "notes"})

    def requirements(self) -> Resources:
        """A GPU only where a method or the detector has use for one."""
        return Resources(cpus=1, gpus=1 if self.heavy else 0)

    @property
    def heavy(self) -> bool:
        """Whether a method or the detector has use for a GPU."""
        return bool(self.detector) or any(cleaner(method).gpu for method in self._used())

    def files(self, env: Env) -> Sequence[Path]:
        """The detector and the methods' models; a known name stands for its published digest. Raises as `open` does."""
        detector = Path(self.detector).expanduser()
        if self.detector and not detector.is_file():
            raise InputError(f"denoise: {detector}: no such file", "detector is the path of an .onnx file")
        paths = [detector] if self.detector else []
        with translated("denoise"):
            paths += [path for method in self._used() for path in self.cleaner(method, env).files()]
        return list(dict.fromkeys(paths))

    def missing(self, env: Env) -> Sequence[CurateError]:
        """The files, and the methods' models that count by their names."""
        checks = [translated("denoise")(self.cleaner(method, env).check) for method in self._used()]
        return [*super().missing(env)] or failures(checks)

    def cleaner(self, method: str, env: Env) -> Cleaner:
        """The cleaner of a method with these options."""
        return cleaner(method).from_options({**dict(self), "offline": env.offline})

    def files_exist(self, records: Sequence[Record], env: Env) -> bool:
        """Whether the report's pictures are still there."""
        told = [r.facts.get("denoise", {}).get("report", "") for r in records]
        return not self.report or all((env.root / path).is_file() for path in told if path)

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Loads what the methods need, yields the worker.

        Raises InputError for bad files, MissingError for missing ones.
        """
        from cleaners.errors import MemoryShortError

        with contextlib.ExitStack() as stack:
            with translated("denoise"):
                chain = [_opened(stack, self, method, env) for method in self._used()]
                detect = _detector(self, env)

            def work(records: Sequence[Record]) -> Sequence[Record]:
                try:
                    return [_clean_record(record, self, env, chain, detect) for record in records]
                except MemoryShortError as error:
                    raise PictureError(f"denoise: {error.message}") from error

            yield work

    def _used(self) -> tuple[str, ...]:
        return () if self.when == "never" else self.methods


@dataclasses.dataclass(frozen=True)
class _Opened:
    """A cleaner on its device."""

    method: str
    cleaner: Cleaner
    clean: Clean


def _opened(stack: contextlib.ExitStack, options: Denoise, method: str, env: Env) -> _Opened:
    from cleaners.device import torch_device

    found, device = options.cleaner(method, env), env.device
    if not found.gpu:
        # alone it works on every core at once; behind a network it is where that network is
        device = str(torch_device(env.device)) if options.heavy else "cpu"
    return _Opened(method, found, stack.enter_context(found.open(device)))


def _detector(options: Denoise, env: Env) -> Callable[[Pixels], float] | None:
    if not options.detector:
        return None
    from cleaners.measures.detector import Detector

    path = Path(options.detector).expanduser()
    return Detector(
        path, env.device, options.detector_values, options.detector_logits, options.detector_crops, options.seed
    )


def _clean_record(
    record: Record,
    options: Denoise,
    env: Env,
    chain: Sequence[_Opened],
    detect: Callable[[Pixels], float] | None,
) -> Record:
    """The record with what was measured and decided, and its picture cleaned where that was decided."""
    from cleaners.measures.noise import signs

    if refusal := _refusal(record):
        return record.noting(f"denoise: left alone, {refusal}", denoise={"done": False, "why": "consent"})
    before = env.pixels(record)
    first = signs(before)
    fact: dict[str, Any] = {"done": False, "score": first.score, "before": dataclasses.asdict(first)}
    suspected = first.score >= options.threshold
    if detect:
        fact["detector"] = round(detect(before), 4)
        suspected = suspected or fact["detector"] >= options.detector_threshold
    fact["suspected"] = suspected
    line = f"denoise: noise score {first.score:.2f}" + (f", detector {fact['detector']:.2f}" if detect else "")
    if options.when == "never" or (options.when == "suspected" and not suspected):
        return record.noting(*((f"{line}: suspected",) if suspected else ()), denoise=fact)
    after, used = _apply(chain, before)
    if not used:
        methods = ", ".join(opened.method for opened in chain)
        return record.noting(f"{line}: too small for {methods}, left alone", denoise={**fact, "why": "too small"})
    fact |= {"methods": used, **cleaning.compared(before, after)}
    if options.report:
        fact["report"] = cleaning.write_report(record, env, before, after)
    if why := worse(first, fact["after"]["score"], fact["change"], options):
        return record.noting(f"{line}: cleaning discarded, {why}", denoise={**fact, "why": why})
    fact["done"] = True
    return env.keep(record.noting(f"{line}: cleaned by {', '.join(used)}, {cleaning.gain(fact)}", denoise=fact), after)


def _refusal(record: Record) -> str:
    """Why nothing may be changed for AI training, "" where it may."""
    if record.facts.get("consent"):
        return "the file is marked 'no AI training'"
    return "the file cannot be checked for a 'no AI training' mark" if record.facts.get("unchecked") else ""


def _apply(chain: Sequence[_Opened], pixels: Pixels) -> tuple[Pixels, list[str]]:
    """The picture after every cleaner that takes it, and the methods of these."""
    used: list[str] = []
    for opened in chain:
        if opened.cleaner.takes(pixels):
            pixels = opened.clean(pixels)
            used.append(opened.method)
    return pixels, used


def worse(first: Signs, second: float, change: float, options: Denoise) -> str:
    """Why the cleaned picture is no better; empty where it is. `change` is its root mean square, 0..255."""
    if not options.guard:
        return ""
    if second > first.score:
        return f"the noise score rose to {second:.2f}"
    most = _MOST_CHANGE_COARSE if first.coarse else _MOST_CHANGE
    if options.when == "suspected" and change > most * max(first.level, 1.0):
        return f"it changed the picture by {change:.1f}, the noise is only about {first.level:.1f}"
    return ""
