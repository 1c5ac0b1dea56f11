"""A throw-away family of base models: SD 1.x under another pipeline's name, one file and nothing else."""

from __future__ import annotations

from typing_extensions import override

from curate.adapters.layer_name import LayerName
from curate.diffusion.families.sd1 import Sd1
from curate.diffusion.family import Family


class Toy(Sd1):
    """Has no adaptable layers in its text encoder."""

    family = Family(
        title="Toy",
        pipelines=("ToyPipeline",),
        keys=("pocket.is_pocket",),
        resolution=128,
        blocks=25,
        clip_skip=True,
        versions=("pocket", "pocket_v"),
        architectures=("pocket-1", "pocket-1-v"),
        texts=({"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},),
        unet={"cross_attention_dim": 32},
        parameters=1_000_000,
        forward=(1e-4, 1e-9),
        backward=(1e-4, 1e-9),
        kept=1e-4,
        kept_checkpointed=1e-5,
    )

    @override
    def layer_names(self) -> list[LayerName]:
        return [layer_name for layer_name in super().layer_names() if layer_name.part == "unet"]
