"""From requests to picture files: those that are there already are not drawn again, and none is overwritten."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path

import torch

from curate.adapters.tensor_file import TensorFile
from curate.core.digests import FileDigests, text_digest
from curate.core.events import Listener, Note, Phase
from curate.core.files import digest_plain, remove_leftovers
from curate.diffusion.base import Backbone, LoadOptions
from curate.diffusion.detect import Traits, traits, yaml_prediction
from curate.diffusion.device import reproducible
from curate.diffusion.distilled import is_distilled
from curate.diffusion.family import family
from curate.diffusion.load import load
from curate.diffusion.locate import base_digest, locate_base, text_encoder_digest, vae_digest
from curate.errors import InputError, Interrupted
from curate.sampling import emphasis, loras, parameters, picture_file
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.loras import Lora, LoraStrength
from curate.sampling.memory import memory_errors
from curate.sampling.options import ModelOptions, check_model_options
from curate.sampling.settings import PictureSettings, batches, check_settings

VERSION = 1
"""Raise it when the same request gives another picture than before."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Request:
    """A picture that is wanted: `name` of its file without ending."""

    name: str
    picture: PictureSettings
    loras: tuple[LoraStrength, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A request's file; `recalled` where it was there before."""

    index: int
    path: Path
    recalled: bool


@dataclass(frozen=True)
class Context:
    """Where and with what it is drawn; nothing here changes a picture.

    stopping  asked between the steps of a sampler
    stage     that notes and phases are told for
    """

    device: torch.device
    offline: bool
    tell: Listener
    stopping: Callable[[], bool] = lambda: False
    digests: FileDigests = field(default_factory=FileDigests)
    stage: str = "sample"

    def note(self, level: str, message: str) -> None:
        """Tells the user a line."""
        self.tell(Note(level, message, stage=self.stage))


class Pictures:
    """Draws with one base; it is loaded when the first picture is missing."""

    def __init__(self, base: str, options: ModelOptions, context: Context) -> None:
        """Raises InputError for options that do not fit the base, MissingError for a base that is not there."""
        self.base, self.options, self.context = base, options, context
        self.traits: Traits = traits(base, context.offline)
        self.family = declared = family(self.traits.family)
        self.distilled = bool(is_distilled(declared, base, locate_base(base, context.offline)))
        check_model_options(options, declared)
        if options.clip_skip > 1 and not declared.clip_skip:
            raise InputError(
                f"clip_skip has no effect: {declared.title} always reads the same layer of its text encoders",
                "leave it out",
            )
        self.ztsnr = self.traits.ztsnr if options.ztsnr is None else options.ztsnr
        prediction = self.traits.prediction if options.prediction == "auto" else options.prediction
        if self.ztsnr and prediction == "epsilon":
            raise InputError("ztsnr has no effect: epsilon cannot be predicted from pure noise", "set prediction v")
        self._read: dict[Path, Lora] = {}
        self._tags: dict[LoraStrength, parameters.LoraTag] = {}
        self._looked_at: set[str] = set()

    @property
    def name(self) -> str:
        """What people call the base."""
        return parameters.model_name(self.base)

    def find(self, request: Request, folder: Path) -> Path | None:
        """The request's file where it is there, whole."""
        return picture_file.find(folder, request.name, self.identity(request))

    def write(self, requests: Sequence[Request], folder: Path) -> Iterator[Drawn]:
        """The files of the requests in `folder`, in order, drawn where they are missing.

        A batch of which any picture is missing is drawn whole, so that a run that was killed and run again gives the
        same bytes. Raises Interrupted, InputError, MissingError, CurateError.
        """
        for one in requests:
            check_settings(one.picture, self.family, self.ztsnr)
        used = list(dict.fromkeys(lora.path for one in requests for lora in one.loras))
        for path in used:
            TensorFile.open(path)  # a file that is none is named before a base is loaded
        remove_leftovers(folder)  # of a run that was killed while it wrote
        start = 0
        for _, group in groupby(requests, key=lambda one: one.loras):
            alike = list(group)
            yield from self._write_alike(alike, start, folder, used)
            start += len(alike)

    def _write_alike(
        self, requests: Sequence[Request], start: int, folder: Path, used: Sequence[Path]
    ) -> Iterator[Drawn]:
        """Those of the same LoRAs. `used` are all LoRA files: what does not fit is named before anything is drawn."""
        with contextlib.ExitStack() as stack:
            drawing: TextToImage | None = None
            for batch in batches([one.picture for one in requests], self.options.batch):
                wanted = [requests[n] for n in batch]
                found = [self.find(one, folder) for one in wanted]
                paths = [path for path in found if path is not None]
                if len(paths) < len(found):
                    for path in used:
                        self._lora(path)
                    drawing = drawing or stack.enter_context(self._drawing(requests[0].loras))
                    paths = self._draw(drawing, wanted, found, folder)
                for n, before, path in zip(batch, found, paths, strict=True):
                    yield Drawn(start + n, path, before is not None)

    def _draw(
        self, drawing: TextToImage, wanted: Sequence[Request], found: Sequence[Path | None], folder: Path
    ) -> list[Path]:
        """Draws a batch and writes those of it that are missing."""
        if self.context.stopping():
            raise Interrupted("stopped between two pictures", "run the same command to continue: what is drawn is kept")
        options = self.options
        for one in wanted:
            self._warn(one.picture)
        with memory_errors(options, len(wanted), self.context.device, self._dtype), self._reproducible():
            pixels = drawing.draw([one.picture for one in wanted])
        paths: list[Path] = []
        for one, before, picture in zip(wanted, found, pixels, strict=True):
            text = parameters.text(one.picture, self._models(one.loras))
            data = picture_file.encode(picture, text, self.identity(one))
            paths.append(before or picture_file.write(folder, one.name, data))
        return paths

    def identity(self, request: Request) -> str:
        """Digest of everything that decides the picture; no model is loaded for it."""
        used = [
            [loras.digests_of(one.path, self.context.digests), one.strength, one.text_strength]
            for one in request.loras
            if one.strength or one.text_strength
        ]
        picture = request.picture
        # only where it counts, so that other pictures keep the identity that they had before there were weights
        weighed = [self.options.emphasis] if emphasis.has_syntax(picture.prompt + picture.negative) else []
        return digest_plain([VERSION, self._base_identity, asdict(picture), used, *weighed])

    @cached_property
    def _base_identity(self) -> str:
        options, context = self.options, self.context
        vae = vae_digest(options.vae, context.offline, context.digests) if options.vae else ""
        place = locate_base(self.base, context.offline)
        said = yaml_prediction(place) if place.is_file() else ""
        keyed = options.model_dump(mode="json", include={"clip_skip", "max_tokens", "prediction", "ztsnr", "tokenizer"})
        other = options.model_dump(mode="json", include={"precision", "tiled"})
        weights = base_digest(self.base, context.offline, context.digests)
        further = [
            text_encoder_digest(name, context.offline, context.digests) for name in (options.text_encoder,) if name
        ]
        context.digests.commit()
        return text_digest(weights, vae, said, digest_plain([keyed, other]), *further)

    def release(self) -> None:
        """Forgets the base, so that its memory serves another model; it is loaded again where a picture is missing."""
        if "backbone" in self.__dict__:
            self._read.clear()
            del self.backbone
            if self.context.device.type == "cuda":
                torch.cuda.empty_cache()

    @cached_property
    def backbone(self) -> Backbone:
        """The base, on the device unless it is offloaded."""
        options, context = self.options, self.context
        context.tell(Phase(context.stage, "loading the base model"))
        wanted = LoadOptions(
            options.clip_skip,
            options.max_tokens,
            self._dtype,
            options.tokenizer,
            options.prediction,
            options.vae,
            text_encoder=options.text_encoder,
        )
        backbone = load(self.base, context.offline, wanted, context.digests)
        with memory_errors(options, 1, context.device, self._dtype):
            backbone.to(torch.device("cpu") if options.offload else context.device, self._dtype)
        return backbone

    @property
    def _dtype(self) -> torch.dtype:
        usual = "fp16" if "fp16" in self.family.precisions else "bf16"
        if self.context.device.type == "cpu":
            usual = "fp32"
        return DTYPES[usual if self.options.precision == "auto" else self.options.precision]

    @contextlib.contextmanager
    def _drawing(self, used: Sequence[LoraStrength]) -> Generator[TextToImage]:
        """The base with these LoRAs on it."""
        backbone, options, device = self.backbone, self.options, self.context.device
        hardware = Hardware(device, self._dtype, options.offload, options.tiled)
        prediction = backbone.prediction if options.prediction == "auto" else options.prediction
        ztsnr = backbone.ztsnr if options.ztsnr is None else options.ztsnr
        paths = {one.path for one in used}
        self._read = {path: lora for path, lora in self._read.items() if path in paths}  # others take memory
        pairs = [(self._lora(one.path), one) for one in used]
        with loras.applied(backbone, pairs, torch.device("cpu") if options.offload else device):
            yield TextToImage(backbone, hardware, prediction, ztsnr, self.context.stopping, options.emphasis)

    def _lora(self, path: Path) -> Lora:
        if path not in self._read:
            lora = self._read[path] = loras.read_lora(path, self.backbone)
            if lora.unknown:
                self.context.note(
                    "warning",
                    f"{path}: the base has no layer for {len(lora.unknown)} of its tensors, which have no effect: "
                    f"{', '.join(lora.unknown[:3])}{' …' if len(lora.unknown) > 3 else ''}",
                )
        return self._read[path]

    def _models(self, used: Sequence[LoraStrength]) -> parameters.Models:
        for one in used:
            if one not in self._tags:
                self._tags[one] = loras.tag(one, self.context.digests)
        hashes = self.backbone.hashes
        tags = tuple(self._tags[one] for one in used if one.strength or one.text_strength)
        sha256 = hashes.get("new_sd_model_hash", "")
        return parameters.Models(self.name, sha256, self.options.clip_skip, tags, self.options.emphasis)

    def _warn(self, picture: PictureSettings) -> None:
        """Names prompts that are cut, or not wholly understood, once each."""
        for text in (picture.prompt, picture.negative):
            if text not in self._looked_at:
                self._looked_at.add(text)
                for line in emphasis.cautions(self.backbone, text, self.options.emphasis):
                    self.context.note("warning", line)
                if text and text == picture.negative and (line := emphasis.negative_caution(self.backbone, text)):
                    self.context.note("warning", line)

    def _reproducible(self) -> contextlib.AbstractContextManager[None]:
        return reproducible(self.context.device, sum(p.numel() for p in self.backbone.parts["unet"].parameters()))
