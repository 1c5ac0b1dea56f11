"""The families of base models: what each declares in its own file, read without torch.

Adding a family is adding one file to `families`. Its class declares `family = Family(…)` with literal values, whose
fields are explained below, and says how the model is read and run. Everything else follows from that file: detection,
options and help, the estimate, `check`, `init`, training, pictures, LoRA files, and the contract tests. `anima.py` is
the example of a flow-matching transformer; such a family derives from `FlowTransformer`, declares a `FlowFamily` and
gives

- `transformer`, `network`: the module of `networks` with `config_of` and `outline`, and the configuration of the
  published model; `parts["transformer"]` names diffusers' class. `converter` or `renamed` gives the tensors of a file
  diffusers' names, `complete` what is in no file. A family with further models that adapters can stand on has its own
  `models_of_folder`, `models_of_file` and `outline`;
- `stacks`, `edges`: tables of layers, by paths in diffusers' model and in the original one, with `Joint` for layers
  that are rows of one matrix in the original model. `layer_names` where blocks of a stack differ;
- `autoencoder`: a module that reads an autoencoder and whose `encode` and `decode` give latents
  [batch, channels, h, w] as the network takes them: normalized, packed, without a frame axis. `family.channels` and
  `family.factor` are those of this form;
- `caption_encoder`: a `CaptionEncoder` with `count` and `states`. What `states` returns is kept on disk, one caption
  at a time and without padding; `collate` pads a batch of it, with masks in `Conditions`. A network without a mask pads
  to its fixed length there. The empty caption is one like others;
- `predict`: calls the network at σ in 0…1 (float32) and returns noise − latents, whatever sign or time the network has;
- `sampling_shift`, `guide`: only where pictures are not made with one shift and ordinary guidance;
- `write_tiny`: a small model from `tiny_parts` and `tiny_text`, which tests/contract run everything on.

`parameters` is checked against the outline. A file of the network alone is told by `whole_keys`, in the order of
`order`; `shapes` tells families with the same keys apart. A family with dynamic shift gives `shift_line` and
`draw={"dynamic_shift": True}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from curate.core import declarations

PACKAGE = "curate.diffusion.families"
Prediction = Literal["epsilon", "v", "flow"]
Objective = Literal["diffusion", "flow"]
Guide = tuple[str, Mapping[str, Mapping[str, Any]]]
SD_COMPONENTS = ("unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler")
"""Folders of a Stable Diffusion model."""
FLOW_COMPONENTS = ("transformer", "text_encoder", "tokenizer", "vae", "scheduler")
"""Folders of a flow-matching transformer that reads captions with one text encoder."""
INDEXES = ("model_index.json", "modular_model_index.json")
"""Files that make a folder a model of diffusers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What a family's class declares, in literal values.

    name             the file's; filled in by the reader
    title, order     what people call it, and its place in help
    pipelines        its classes in model_index.json
    components       its folders in diffusers' layout
    parts            what config.json of such a folder says it is: a class of diffusers, or a model_type of transformers
    objective        diffusion with ᾱ, or rectified flow with σ
    channels, factor channels of its latents, and pixels to a side of one of them
    step             what sides of pictures are multiples of, in pixels
    caption_tokens   tokens of a caption that count, where they are no option
    stored_text      whether captions are encoded once and kept on disk: its text encoders are never trained
    precisions       number formats that it can be computed in
    layers           default choice of layers; "" leaves it to the algorithm
    convolutions     whether it has blocks of convolutions, which presets can choose
    draw             defaults of timestep_sampling, flow_shift and dynamic_shift
    shift_line       (tokens, μ, tokens, μ): the line of dynamic_shift, a token being 16 × 16 pixels
    sampling         defaults of sampler, steps, guidance and flow_shift for pictures, where they are not SD's
    distilled_sampling  steps and guidance for pictures of its distilled sibling
    file_names       names of layers in the LoRA files that training writes: kohya, diffusers or comfyui
    joined_names     the same of algorithms that can hold query, key and value in one matrix, as its other programs do;
                     "" where `file_names` are read everywhere
    readers          whose names programs read in its LoRA files, where that is not as for SD: comfyui, a1111, kohya,
                     diffusers, peft; what is not named reads none. native and native-kohya are the layers of the
                     original network where that holds several in one matrix (the tables' `joint`)
    diffusers_lokr   names under which diffusers reads LoKr too
    whole_keys       keys of a file of its network alone that no other family has, all of them needed, without the
                     wrappers `model.diffusion_model.` and `net.`; one that ends with a dot is the start of a key
    relatives        starts of keys that a file with the same `whole_keys` has, and what such a file is called instead
    relative_names   regular expressions for what a file's name, in lower case, tells that it is a relative with the
                     same keys, and what such a file is called instead
    relative_shapes  shapes of tensors by which a relative is told, and what it is called
    distilled        regular expressions for what a base's name, in lower case, tells that it is a sibling with the same
                     layers, distilled to few steps; `undistilled`, which counts first, that it is not. An index of
                     diffusers can say it too (is_distilled). Where nothing says it, a person must
    shapes           first sizes of tensors that tell it from families with the same keys; 0 stands for any
    configuration    values that tell it from families with the same pipeline, by part of the folder
    keys             keys of a checkpoint that no other family has
    core             folder of the model that predicts
    resolution       native, in pixels, where no configuration says another
    prediction       of checkpoints that say nothing; "" where they must say it
    scaling          of latents in checkpoints, which do not say it
    blocks           UNet blocks that ranks per block count; 0 where there are none
    clip_skip        whether its text encoders can be read at another layer
    versions         ss_base_model_version for epsilon and v
    architectures    modelspec.architecture, without "/lora", for epsilon and v
    implementation   modelspec.implementation: whose names for layers its files use
    v2               what kohya's metadata say under v2
    encoder_layer    whether the metadata name the layer of the text encoder
    point_layers     endings of the paths of linear layers that files hold as 1×1 convolutions
    texts, unet      configurations of a checkpoint's text encoders and UNet, to count with
    parameters       numbers in the full-size UNet
    forward          TFLOP of a forward as (pixels, pixels²) per latent pixel; `backward` of that to its inputs
    embedded_guidance  guidance that the network is told as a number while it is trained, of families that were
                     distilled to take one: pictures are drawn with theirs in one prediction. 0 for the others
    caption_pixels   what a caption of fixed length costs besides, in latent pixels
    kept             GiB that a forward keeps for its backward, per latent pixel in 2-byte numbers
    kept_checkpointed   the same with gradient checkpointing
    names            regular expressions for what a base's name tells the family by, in lower case
    common           hub names of common bases and what they are
    least_gib        GPU memory below which training is a struggle
    memory           options for cards from so many GiB on, with the reason; the last that fits counts
    checkpoint_texts  text encoders in one-file checkpoints: their prefix, and whose names they have, clip or open_clip
    comfyui_texts    ComfyUI's names of the text encoders
    style_rate       learning rate of AdamW for a style
    guides           guides for training that were written for it: by name, one line for help, and options of the
                     trainer by whose they are (a program's preset, its documentation)
    kohya            what kohya's programs call it: sd-scripts' or musubi-tuner's script, the switch (its module is
                     networks.lora_SWITCH), and its model_version where families share both
    ai_toolkit       what ai-toolkit calls it: its values of `arch`
    prompting        what captions its bases were trained with, where their names do not tell
    v_zero_snr       whether its v-prediction bases are trained with zero terminal SNR
    """

    name: str = ""
    title: str
    order: int = 100
    pipelines: tuple[str, ...] = ()
    components: tuple[str, ...] = SD_COMPONENTS
    parts: Mapping[str, str] = field(default_factory=dict[str, str])
    objective: Objective = "diffusion"
    channels: int = 4
    factor: int = 8
    step: int = 8
    stored_text: bool = False
    caption_tokens: int = 0
    precisions: tuple[str, ...] = ("fp32", "bf16", "fp16")
    layers: str = ""
    convolutions: bool = True
    draw: Mapping[str, Any] = field(default_factory=dict[str, Any])
    shift_line: tuple[float, float, float, float] | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict[str, Any])
    distilled_sampling: Mapping[str, Any] = field(default_factory=dict[str, Any])
    file_names: Literal["kohya", "diffusers", "comfyui"] = "kohya"
    joined_names: Literal["kohya", "comfyui", ""] = ""
    readers: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    diffusers_lokr: tuple[str, ...] = ()
    whole_keys: tuple[str, ...] = ()
    relatives: Mapping[str, str] = field(default_factory=dict[str, str])
    relative_names: Mapping[str, str] = field(default_factory=dict[str, str])
    relative_shapes: Mapping[str, tuple[tuple[int, ...], str]] = field(
        default_factory=dict[str, tuple[tuple[int, ...], str]]
    )
    distilled: tuple[str, ...] = ()
    undistilled: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    configuration: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    keys: tuple[str, ...] = ()
    core: str = "unet"
    resolution: int
    prediction: Literal["epsilon", "v", "flow", ""] = "epsilon"
    scaling: float = 0.18215
    blocks: int = 0
    clip_skip: bool = False
    versions: tuple[str, str]
    architectures: tuple[str, str]
    implementation: str = "diffusers"
    v2: bool = False
    encoder_layer: bool = False
    point_layers: tuple[str, ...] = ()
    texts: tuple[Mapping[str, Any], ...] = ()
    unet: Mapping[str, Any] = field(default_factory=dict[str, Any])
    parameters: int
    forward: tuple[float, float]
    backward: tuple[float, float]
    embedded_guidance: float = 0.0
    caption_pixels: int = 0
    kept: float
    kept_checkpointed: float
    names: tuple[str, ...] = ()
    common: Mapping[str, str] = field(default_factory=dict[str, str])
    least_gib: float = 4
    memory: tuple[tuple[float, str, Mapping[str, Any]], ...] = ()
    checkpoint_texts: tuple[tuple[str, str], ...] = ()
    comfyui_texts: tuple[str, ...] = ("clip_l", "clip_g")
    style_rate: float = 1e-4
    guides: Mapping[str, Guide] = field(default_factory=dict[str, Guide])
    kohya: tuple[str, ...] = ()
    ai_toolkit: tuple[str, ...] = ()
    prompting: Literal["natural", "danbooru", "e621", ""] = ""
    v_zero_snr: bool = False

    def labels(self, prediction: Prediction) -> tuple[str, str]:
        """`ss_base_model_version` and `modelspec.architecture` (without "/lora") of a LoRA for a prediction."""
        number = 1 if prediction == "v" else 0
        return self.versions[number], self.architectures[number]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFamily(Family):
    """What a family of flow-matching transformers declares; most have these in common."""

    components: tuple[str, ...] = FLOW_COMPONENTS
    objective: Objective = "flow"
    step: int = 16
    stored_text: bool = True
    precisions: tuple[str, ...] = ("fp32", "bf16")
    layers: str = "unet-transformer-only"
    convolutions: bool = False
    core: str = "transformer"
    resolution: int = 1024
    prediction: Literal["epsilon", "v", "flow", ""] = "flow"


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model in diffusers' layout."""
    return any((folder / index).is_file() for index in INDEXES)


def families() -> dict[str, Family]:
    """Every family by name, in the order of help."""
    return declarations.declared(PACKAGE, Family)


def family(name: str) -> Family:
    """The family of that name, or of a module at a dotted path. Raises InputError."""
    return declarations.find(PACKAGE, Family, name, "family")


def titles(last: str = "and") -> str:
    """What people call the families: `SD 1.x, SD 2.x and SDXL`."""
    *most, final = [found.title for found in families().values()]
    return f"{', '.join(most)} {last} {final}" if most else final


def by_blocks() -> dict[int, str]:
    """Titles of the families by their number of UNet blocks."""
    found: dict[int, list[str]] = {}
    for one in families().values():
        if one.blocks:
            found.setdefault(one.blocks, []).append(one.title)
    return {blocks: " and ".join(names) for blocks, names in found.items()}
