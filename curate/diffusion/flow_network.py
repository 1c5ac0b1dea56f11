"""A flow-matching family's network: made by diffusers of a folder, a file or a configuration; its layers' names."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.layer_name import LayerName
from curate.diffusion.base import Backbone
from curate.diffusion.checkpoint_file import filled
from curate.diffusion.diffusers_class import diffusers_class
from curate.diffusion.layer_tables import Blocks, Stack, layer_table
from curate.diffusion.library_logging import quiet
from curate.diffusion.skeleton import Skeleton


class Transformer(Protocol):
    """What a module of `networks` offers."""

    def config_of(self, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """The configuration, in diffusers' words, that the shapes of a file's tensors tell. Raises KeyError."""
        ...

    def outline(self, config: Mapping[str, Any]) -> Skeleton:
        """The network without values."""
        ...


class FlowNetwork(Backbone):
    """The half of a family that knows its network."""

    transformer: ClassVar[Transformer]
    """The module with the family's network; diffusers' class of it is what `family.parts` names."""
    network: ClassVar[Mapping[str, Any]]
    """Configuration of the published network, in diffusers' words."""
    converter: ClassVar[str] = ""
    """diffusers' function that gives a file's tensors its own names; "" where files have them."""
    repeated_blocks: ClassVar[tuple[str, ...]] = ()
    """Classes of the blocks that `compile` compiles, of networks of which diffusers does not tell them."""
    stacks: ClassVar[tuple[Stack, ...]]
    edges: ClassVar[Blocks]
    """Layers outside the blocks."""

    @classmethod
    def write_tiny_network(cls, place: Path, config: Mapping[str, Any]) -> None:
        """The network of a small model with random weights, in a folder of diffusers."""
        torch.manual_seed(17)
        with cls.silence():
            diffusers_class(cls.family.parts["transformer"])(**config).save_pretrained(place / "transformer")

    @classmethod
    def silence(cls) -> AbstractContextManager[None]:
        """Keeps diffusers from talking while it makes the network."""
        return quiet()

    @classmethod
    def models_of_folder(cls, place: Path, dtype: torch.dtype) -> dict[str, nn.Module]:
        """The adaptable models of a folder, `unet` among them. Raises what diffusers raises."""
        kind = diffusers_class(cls.family.parts["transformer"])
        network = kind.from_pretrained(place / "transformer", torch_dtype=dtype, local_files_only=True)
        return {"unet": cls.complete(network)}

    @classmethod
    def models_of_file(cls, state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, nn.Module]:
        """The same of tensors of a file, without the wrappers of their names. Raises KeyError for one not whole."""
        kind = diffusers_class(cls.family.parts["transformer"])
        with torch.device("meta"), cls.silence():
            network = kind(**cls.transformer.config_of(state))
        return {"unet": filled(cls.complete(network), cls.renamed(state, network), dtype)}

    @classmethod
    def renamed(cls, state: Mapping[str, Tensor], network: nn.Module) -> Mapping[str, Tensor]:
        """The tensors of a file of the network by the names that they have in diffusers' one."""
        if not cls.converter:
            return state
        from diffusers.loaders import single_file_utils

        return getattr(single_file_utils, cls.converter)(dict(state))

    @classmethod
    def complete(cls, network: Any) -> Any:
        """diffusers' network with what is in no file."""
        if cls.repeated_blocks:
            network._repeated_blocks = list(cls.repeated_blocks)
        return network

    @override
    def layer_names(self) -> list[LayerName]:
        names, blocks = list[LayerName](), 0
        for stack in self.stacks:
            model: Any = self.parts[stack.part]
            count = int(model.config[stack.count])
            names += stack.table(count, blocks)
            blocks += count if stack.numbered else 0
        return [*names, *layer_table("transformer", "", "", self.edges)]
