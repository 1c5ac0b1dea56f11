"""Options: a checked pipeline, and how a run of it is carried out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from curate.core.caption_encoding import CaptionEncoding
from curate.core.caption_options import ENCODING_HELP, FORM_HELP, CaptionForm, CaptionReading
from curate.core.conflicts import RightOptions, check_rules
from curate.core.stage import Concept, Stage
from curate.errors import InputError
from curate.executors.ray_address import FORM, is_cluster_address
from curate.scan import ConsentChoice

SAMPLE = "builtin:sample"
"""As `input:`, the pictures that the package carries."""


class RunOptions(BaseModel):
    """How a run is carried out; nothing here may change a result."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    workers: int | Literal["auto"] = Field(
        default="auto", description="Worker processes for picture stages: auto, or a number (1 uses none)."
    )
    executor: Literal["local", "ray"] = Field(
        default="local", description="Where pictures are worked on: local (this machine) or ray (a Ray cluster)."
    )
    address: str = Field(
        default="auto",
        description="With executor ray: auto (this machine's cluster), local (started for the run) or HOST:PORT.",
    )
    work: str = Field(
        default="",
        description="With an output such as s3://BUCKET/FOLDER: the folder on this disk where it is prepared, with a "
        "copy of the input. Default: a folder in your cache.",
    )
    device: str = Field(default="auto", description="Where models run: auto, cpu, cuda or cuda:N.")
    require_gpu: bool = Field(default=False, description="Stop (exit 3) instead of using the CPU.")
    offline: bool = Field(default=False, description="Never contact a model hub; use what is on disk.")

    @field_validator("workers", mode="before")
    @classmethod
    def _workers(cls, value: Any) -> Any:
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if number != "auto" and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
            raise ValueError("takes auto or a number from 1 on")
        return number

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", value):
            raise ValueError("takes auto, cpu, cuda, cuda:N or mps")
        return value

    @field_validator("address")
    @classmethod
    def _address(cls, value: str) -> str:
        if not is_cluster_address(value):
            raise ValueError(f"takes {FORM}")
        return value

    @model_validator(mode="after")
    def _where(self) -> Self:
        check_rules(self, (_address_of_cluster, _gpu_of_cluster))
        return self


def _address_of_cluster(options: RunOptions) -> Iterator[str]:
    if "address" in options.model_fields_set and options.executor != "ray":
        yield "address is where a Ray cluster is: set executor to ray, or leave address out"


def _gpu_of_cluster(options: RunOptions) -> Iterator[str]:
    if options.executor == "ray" and options.device.startswith("cuda:"):
        yield f"device {options.device} is a GPU of one machine: with executor ray, write cuda"


class CaptionOptions(BaseModel):
    """How captions that came with the pictures are read."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    caption_form: CaptionForm = Field(default="auto", description=FORM_HELP)
    caption_encoding: CaptionEncoding = Field(default="auto", description=ENCODING_HELP)


class Pipeline(BaseModel):
    """A checked pipeline.yaml; paths are resolved against the file's folder.

    An `input` that is a text is an address. With a `destination`, which is one too, `output` is the folder on this disk
    where it is prepared.
    `later` are the stages after the one that the run ends with; what they train with is known to those before.
    `origins` says where each address and each name under `concepts:` stands, as messages begin.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, defer_build=True)

    path: Path
    whole: bool = True
    input: tuple[Path | str, ...]
    output: Path
    destination: str = ""
    concepts: dict[str, Concept]
    consent: ConsentChoice
    captions: CaptionReading
    exclude: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()
    stages: tuple[Stage, ...]
    later: tuple[Stage, ...] = ()
    run: RunOptions
    origins: Mapping[str, str] = {}


class PipelineError(InputError):
    """Everything that is wrong with a pipeline file, a line for each mistake.

    `stages` are those that can be known all the same, with the options that are right; `output` and `run` likewise.
    """

    stages: Sequence[Stage | RightOptions] = ()
    output: Path | None = None
    run: RunOptions | None = None

    def __init__(self, message: str, lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.parts = [InputError(line) for line in lines]
