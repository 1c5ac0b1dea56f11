"""What a file declares of its colours by numbers, in the order in which declarations count."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from curate.images.decode import cicp, png_gamma, tone_mapping
from curate.images.decode.calibration import Calibration
from curate.images.decode.cicp import UNSPECIFIED, CodePoints
from curate.images.decode.color_spaces import PRIMARIES, SRGB, TRANSFERS, srgb_light, to_srgb, to_xyz

_PQ, _HLG = 16, 18
_SRGB_TRANSFER, _SRGB_PRIMARIES = 13, 1


def of(image: Image.Image, facts: dict[str, Any]) -> tuple[Calibration | None, bool]:
    """How the samples become sRGB (None: they need no change, or a profile says it), and whether a profile is void.

    Notes the facts cicp, cicp_error and gamma.
    """
    points = cicp.of(image)
    if points is not None and (points.primaries, points.transfer) != (UNSPECIFIED, UNSPECIFIED):
        if _known(points):
            return _by_points(points, facts), True
        facts["cicp_error"] = f"unknown colors (primaries {points.primaries}, transfer {points.transfer})"
    calibration = png_gamma.of(image)
    if calibration is not None:
        facts["gamma"] = round(image.info["gamma"], 5)
    return calibration, False


def _known(points: CodePoints) -> bool:
    transfers = (*TRANSFERS, _PQ, _HLG, UNSPECIFIED)
    return points.primaries in (*PRIMARIES, UNSPECIFIED) and points.transfer in transfers


def _by_points(points: CodePoints, facts: dict[str, Any]) -> Calibration | None:
    """An unspecified one of the two counts as sRGB's."""
    name, chromaticity = PRIMARIES[_SRGB_PRIMARIES if points.primaries == UNSPECIFIED else points.primaries]
    matrix = None if chromaticity == SRGB else to_srgb(chromaticity)
    if points.transfer == _PQ:
        curve, transfer, high_range = tone_mapping.pq_light, "PQ", tone_mapping.pq()
    elif points.transfer == _HLG:
        curve, transfer = tone_mapping.hlg_light, "HLG"
        high_range = tone_mapping.hlg(to_xyz(chromaticity)[1][1])
    else:
        transfer, curve = TRANSFERS[_SRGB_TRANSFER if points.transfer == UNSPECIFIED else points.transfer]
        high_range = None
    facts["cicp"] = f"{name}, {transfer}" + ("" if points.full_range else ", limited range")
    if high_range is not None:
        facts["tone_mapped"] = transfer
    if matrix is None and curve is srgb_light and points.full_range:
        return None
    return Calibration(curve, None if matrix is None else np.asarray(matrix), points.full_range, high_range)
