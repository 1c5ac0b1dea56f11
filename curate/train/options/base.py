"""Which base model, and what it predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from curate.core.path_options import FilePath, ModelName, PathOption
from curate.core.registry import names_schema
from curate.diffusion.family import families, family, titles
from curate.errors import InputError


def _known_family(name: str) -> str:
    """The name of a family. Raises ValueError."""
    try:
        return family(name).name
    except InputError as error:
        raise ValueError(str(error)) from error


_FAMILY = AfterValidator(_known_family), WithJsonSchema(names_schema(list(families())))


SIBLINGS = ", ".join(found.title for found in families().values() if found.distilled) or "no family yet"
"""The families whose bases have siblings with the same layers."""


class BaseOptions(BaseModel):
    """Which base model, and what it predicts."""

    base: Annotated[str, PathOption(names=True, carried=("toy", "tiny"))] = Field(
        "tiny",
        min_length=1,
        description=f"{titles('or')}: a diffusers folder, a checkpoint file, a hub name, or a part of curate: "
        "`toy` draws simple pictures (to try things out), `tiny` has random weights.",
    )
    family: Annotated[str, *_FAMILY] | None = Field(
        None,
        description=f"Family of the base model ({', '.join(families())}, or a dotted path to your own). "
        "A base of another family is refused. With it, --print-config works even if the base is not downloaded.",
        examples=list(families()),
    )
    tokenizer: ModelName = Field(
        "", description="Folder or hub name of the CLIP tokenizer for a checkpoint file. Default: OpenAI's."
    )
    text_encoder: ModelName = Field(
        "",
        description="Text encoder for a checkpoint file that holds the network alone, as of "
        f"{', '.join(found.title for found in families().values() if found.stored_text) or 'flow models'}: "
        "a file, a folder or a hub name.",
    )
    vae: ModelName = Field("", description="Use this VAE instead of the base's: a file, a folder or a hub name.")
    from_kohya: tuple[FilePath, ...] = Field(
        (),
        description=(
            "Read the settings of sd-scripts or musubi-tuner (a file with a pasted command, a TOML or the GUI's JSON) "
            "or of ai-toolkit (YAML). Your own options override them."
        ),
    )
    distilled: bool | None = Field(
        None,
        description=f"Whether the base is a variant distilled to few steps ({SIBLINGS}). One whose name or index "
        "says so is refused; --distilled trains on it all the same. Default: as they say.",
    )
    prediction: Literal["auto", "epsilon", "v"] = Field(
        "auto", description="What the base model predicts; auto reads it from the base."
    )
    ztsnr: bool | None = Field(
        None, description="Zero terminal SNR (v-prediction only). Default: as the base was trained."
    )
    clip_skip: int = Field(
        1,
        ge=1,
        le=12,
        description="Layer of the text encoder to use, counted from the end "
        f"({', '.join(found.title for found in families().values() if found.clip_skip)}; anime models use 2).",
    )
    max_tokens: Literal[75, 150, 225] = Field(
        75, description="Number of caption tokens to use; longer captions are cut."
    )


def _zero_snr(options: BaseOptions) -> Iterator[str]:
    if options.ztsnr and options.prediction == "epsilon":
        yield "ztsnr needs v-prediction: at zero SNR the input contains nothing but noise"


CONFLICTS = (_zero_snr,)
"""What does not go together, a sentence each."""
NEEDS: dict[str, tuple[str, Callable[[BaseOptions], bool]]] = {}
LATER = frozenset(("text_encoder",))
"""Options that came later: at their defaults they are no part of a run's identity."""
UNKEYED = frozenset(("from_kohya", "family", "distilled"))
"""What the files said is in the other options; the family is the base's in any case, and so is being distilled."""
