"""From samples whose meaning a file declares by numbers, not by a profile, to 8-bit sRGB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels
from curate.images.decode import tone_mapping
from curate.images.decode.color_spaces import Curve, Matrix, srgb_encoded
from curate.images.decode.tone_mapping import HighRange

# pixels worked on at once: floats of a whole picture would be many times the picture
_STRIP = 1 << 18


@dataclass(frozen=True)
class Calibration:
    """What the samples stand for.

    light       light, 0 to 1, by sample, 0 to 1; of a high range what HighRange takes
    matrix      its primaries to sRGB's, None where they are the same
    full_range  whether black is 0 and white the largest sample; else 16 to 235 of 8 bits, and as much of more
    high_range  how light beyond paper white is brought into sRGB's range; None where there is none
    """

    light: Curve
    matrix: Matrix | None
    full_range: bool = True
    high_range: HighRange | None = None

    def measured(self, values: NDArray[Any]) -> Calibration:
        """The same for this picture, H×W or H×W×3: a high range is mapped by the picture's own brightest parts."""
        if self.high_range is None:
            return self
        table = self._table(values)
        strips = (self.high_range.nits(table[strip]) for strip in _strips(values))
        return replace(self, high_range=self.high_range.to_peak(tone_mapping.peak(strips)))

    def to_srgb(self, values: NDArray[Any]) -> Pixels:
        """8-bit sRGB, rounded, of 8 or 16-bit samples: H×W×3, or H×W of grey, which has no primaries."""
        grey = values.ndim == 2
        if self.high_range is None and (self.matrix is None or grey):
            return srgb_encoded(self._light(values))[values]
        table = self._table(values)
        # the curve by table: fine enough for 8 bits, since its steps are smaller than a tenth of theirs
        encoded = srgb_encoded((np.arange(65536) / 65535) ** 2)
        result = np.empty(values.shape, np.uint8)
        for strip, into in zip(_strips(values), _strips(result), strict=True):
            light = table[strip]
            if self.high_range is not None:
                light = self.high_range.to_standard(self.high_range.nits(light))
            if self.matrix is not None and not grey:
                light = light @ self.matrix.astype(np.float32).T
            into[:] = encoded[np.rint(np.sqrt(np.clip(light, 0, 1)) * 65535).astype(np.uint16)]
        return result

    def _light(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Light by sample, for every sample of this depth."""
        top = np.iinfo(values.dtype).max
        sample = np.arange(top + 1) / top
        if not self.full_range:
            unit = (top + 1) // 256
            sample = np.clip((np.arange(top + 1) - 16 * unit) / (219 * unit), 0, 1)
        return self.light(sample)

    def _table(self, values: NDArray[Any]) -> NDArray[np.float32]:
        return self._light(values).astype(np.float32)


def _strips(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    rows = max(1, _STRIP // max(1, values.shape[1]))
    for top in range(0, values.shape[0], rows):
        yield values[top : top + rows]
