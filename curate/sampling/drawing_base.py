"""The base that pictures are drawn with: checked at once, loaded when it is needed, and LoRAs put on it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from curate.core.digests import FileDigests, text_digest
from curate.core.events import Listener, Note, Phase
from curate.core.files import digest_plain
from curate.diffusion.base import Backbone, LoadOptions
from curate.diffusion.detect import Traits, traits, yaml_prediction
from curate.diffusion.device import reproducible
from curate.diffusion.distilled import is_distilled
from curate.diffusion.family import family
from curate.diffusion.load import load
from curate.diffusion.locate import base_digest, locate_base, text_encoder_digest, vae_digest
from curate.errors import InputError
from curate.sampling import loras, parameters
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.loras import Lora, LoraStrength
from curate.sampling.memory import memory_errors
from curate.sampling.options import ModelOptions, check_model_options

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


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


class DrawingBase:
    """One base with its options; what follows from them is known before it is loaded."""

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

    @property
    def name(self) -> str:
        """What people call the base."""
        return parameters.model_name(self.base)

    @cached_property
    def base_identity(self) -> str:
        """Digest of the base's files and of the options that decide what it draws."""
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
            self.dtype,
            options.tokenizer,
            options.prediction,
            options.vae,
            text_encoder=options.text_encoder,
        )
        backbone = load(self.base, context.offline, wanted, context.digests)
        with memory_errors(options, 1, context.device, self.dtype):
            backbone.to(torch.device("cpu") if options.offload else context.device, self.dtype)
        return backbone

    @property
    def dtype(self) -> torch.dtype:
        """The number format that it is computed in."""
        usual = "fp16" if "fp16" in self.family.precisions else "bf16"
        if self.context.device.type == "cpu":
            usual = "fp32"
        return DTYPES[usual if self.options.precision == "auto" else self.options.precision]

    @contextlib.contextmanager
    def drawing(self, used: Sequence[LoraStrength]) -> Generator[TextToImage]:
        """The base with these LoRAs on it."""
        backbone, options, device = self.backbone, self.options, self.context.device
        hardware = Hardware(device, self.dtype, options.offload, options.tiled)
        prediction = backbone.prediction if options.prediction == "auto" else options.prediction
        ztsnr = backbone.ztsnr if options.ztsnr is None else options.ztsnr
        paths = {one.path for one in used}
        self._read = {path: lora for path, lora in self._read.items() if path in paths}  # others take memory
        pairs = [(self.lora(one.path), one) for one in used]
        with loras.applied(backbone, pairs, torch.device("cpu") if options.offload else device):
            yield TextToImage(backbone, hardware, prediction, ztsnr, self.context.stopping, options.emphasis)

    def lora(self, path: Path) -> Lora:
        """The LoRA of a file, read for this base; what the base has no layer for is told once."""
        if path not in self._read:
            lora = self._read[path] = loras.read_lora(path, self.backbone)
            if lora.unknown:
                self.context.note(
                    "warning",
                    f"{path}: the base has no layer for {len(lora.unknown)} of its tensors, which have no effect: "
                    f"{', '.join(lora.unknown[:3])}{' …' if len(lora.unknown) > 3 else ''}",
                )
        return self._read[path]

    def reproducible(self) -> contextlib.AbstractContextManager[None]:
        """Within it the same picture gets the same bytes."""
        return reproducible(self.context.device, sum(p.numel() for p in self.backbone.parts["unet"].parameters()))
