"""JTP PILOT2 (RedRocket): e621 tags from a SigLIP encoder, PyTorch weights as safetensors."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from taggers.base import OpenTagger, Picture, Scored, Source, Tensor, Vocabulary
from taggers.batch_size import Room, fitting, free_bytes
from taggers.device import torch_device
from taggers.errors import BadModelError, library_reason
from taggers.families._e621 import RATINGS
from taggers.family import Family, Graph, Model
from taggers.graph import Naming
from taggers.labels import Labels, fit, labels, read_json
from taggers.prefetch import ahead


class Jtp(Family):
    """Rules as in the authors' inference program: fit into the side (Lanczos), on mid grey, -1..1, σ(a)·σ(b)."""

    name = "jtp"
    verified = True
    vocabulary: ClassVar[Vocabulary] = "e621"
    thresholds: ClassVar = {"general": 0.2, "character": 0.2}
    models: ClassVar = (
        Model(
            "jtp-pilot2",
            "RedRocket/JointTaggerProject",
            ("JTP_PILOT2/JTP_PILOT2-e3-vit_so400m_patch14_siglip_384.safetensors", "JTP_PILOT2/tags.json"),
            "Apache-2.0",
            vocabulary="e621",
            megabytes=1750,
        ),
    )
    model_files = ("*.safetensors",)
    label_files = ("tags.json",)

    def labels(self, path: Path) -> Labels:
        """`{"tag": index}`, or tags in output order."""
        found = read_json(path)
        if isinstance(found, dict) and all(isinstance(i, int) for i in found.values()):
            names = sorted(found, key=found.__getitem__)
        else:
            names = list(found)
        if not names or not all(isinstance(n, str) for n in names):
            raise BadModelError(f"{path}: tags by index are expected")
        return labels(names, ["rating" if n in RATINGS else "general" for n in names])

    def suits(self, graph: Graph | None, labels: Path) -> bool:
        """The only family whose model is no ONNX graph."""
        return graph is None

    @contextmanager
    def open(
        self,
        model: Path,
        labels: Path,
        extras: Sequence[Path],
        *,
        device: str,
        require_gpu: bool,
        floor: float,
        batch: int,
    ) -> Generator[OpenTagger]:
        """Loads the weights. Raises BadModelError, NoGpuError."""
        import torch

        where = torch_device(device, require_gpu=require_gpu)
        network = _load(model).to(where)
        read = fit(labels, self.labels(labels), network.head.linear.out_features // 2)
        try:
            yield _Open(network, where, Naming(read, floor), batch or _most(where, network.side))
        finally:
            del network
            if where.startswith("cuda"):
                torch.cuda.empty_cache()


class _Open:
    """See `taggers.base.OpenTagger`."""

    def __init__(self, network: Any, device: str, naming: Naming, batch: int) -> None:
        self.provider, self._room = device, Room(batch)
        self._network, self._naming = network, naming

    @property
    def batch(self) -> int:
        return self._room.batch

    def __call__(self, pictures: Sequence[Picture]) -> list[Scored]:
        tensors = [self.prepare(p) for p in pictures]
        return [s for i in range(0, len(tensors), self.batch) for s in self.infer(tensors[i : i + self.batch])]

    def stream(self, sources: Iterable[Source]) -> Iterator[Scored | Exception]:
        return ahead(sources, lambda s: self.prepare(s()), self.infer, batch=self.batch)

    def prepare(self, picture: Picture) -> Tensor:
        return prepare(picture, self._network.side)

    def infer(self, tensors: Sequence[Tensor]) -> list[Scored]:
        return self._room.run(tensors, self._once)

    def _once(self, tensors: Sequence[Tensor]) -> list[Scored]:
        import torch

        with torch.inference_mode():
            found = self._network(torch.from_numpy(np.stack(tensors)).to(self.provider))
        return [self._naming(row) for row in found.float().cpu().numpy()]


def prepare(picture: Picture, side: int) -> Tensor:
    """3×side×side in -1..1, what lies beside the picture 0 (mid grey)."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    height, width = picture.shape[:2]
    scale = min(side / height, side / width)
    if scale != 1.0:
        image = image.resize(
            (min(round(width * scale), side), min(round(height * scale), side)), Image.Resampling.LANCZOS
        )
    values = np.asarray(image, dtype=np.float32) / np.float32(255)
    half = np.float32(0.5)
    if values.shape[2] == 4:
        values = values[:, :, :3] * values[:, :, 3:] + half * (1 - values[:, :, 3:])
    tensor = np.zeros((3, side, side), np.float32)
    top, left = (side - image.height) // 2, (side - image.width) // 2
    tensor[:, top : top + image.height, left : left + image.width] = ((values - half) / half).transpose(2, 0, 1)
    return tensor


def _most(device: str, side: int) -> int:
    return fitting(free_bytes(int(device.partition(":")[2] or 0)), side * side) if device.startswith("cuda") else 2


def _load(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from taggers.siglip import Siglip

    try:
        return Siglip.of(load_file(path))
    except (SafetensorError, KeyError, RuntimeError, ValueError, OSError) as error:
        raise BadModelError(f"{path}: not a SigLIP tagger ({library_reason(error)})") from error
