"""Stable Diffusion 2.x: OpenCLIP's text encoder up to its last but one layer, epsilon or v-prediction."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from curate.diffusion.base import Prediction
from curate.diffusion.layer_names import Site
from curate.diffusion.sd1 import Sd1


class Sd2(Sd1):
    """SD 2.x. Files hold its projections as 1×1 convolutions, as kohya loads the model."""

    family: ClassVar[str] = "sd2"
    version: ClassVar[str] = "sd_v2"
    architecture: ClassVar[str] = "stable-diffusion-v2-512"

    @override
    def labels(self, prediction: Prediction) -> tuple[str, str]:
        return ("sd_v2_v", "stable-diffusion-v2-768-v") if prediction == "v" else (self.version, self.architecture)

    @override
    def stored_as_point(self, site: Site) -> bool:
        return site.path.endswith((".proj_in", ".proj_out"))
