"""Colours declared by numbers (cICP, nclx): compared with published matrices and the standards' formulas."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from curate.core.stage import Pixels
from curate.images import read_picture
from curate.images.decode.tone_mapping import compressed, hlg_light, pq_encoded, pq_light
from tests.stages.helpers import env, record, run

# to sRGB's primaries, as published: ITU-R BT.2087 (M2), and Display P3 in CSS Color 4
MATRICES = {
    1: ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    9: ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730)),
    12: ((1.224940, -0.224940, 0), (-0.042057, 1.042057, 0), (-0.019638, -0.078636, 1.098274)),
}


def bt709(v: float) -> float:
    return v / 4.5 if v < 0.0812429 else ((v + 0.0992968) / 1.0992968) ** (1 / 0.45)


def srgb(v: float) -> float:
    return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4


CURVES: dict[int, Callable[[float], float]] = {
    1: bt709,
    4: lambda v: v**2.2,
    5: lambda v: v**2.8,
    6: bt709,
    8: lambda v: v,
    13: srgb,
    14: bt709,
    15: bt709,
}

COLOURS = [(255, 255, 255), (0, 0, 0), (200, 60, 40), (12, 240, 90), (30, 20, 200), (128, 128, 128), (5, 9, 3)]


def encoded(light: float) -> int:
    light = min(1.0, max(0.0, light))
    return round(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))


def expected(colour: Sequence[float], primaries: int, curve: Callable[[float], float]) -> list[int]:
    """8-bit sRGB of samples of 0 to 1."""
    light = [curve(v) for v in colour]
    return [encoded(sum(m * v for m, v in zip(row, light, strict=True))) for row in MATRICES[primaries]]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(path: Path, samples: np.ndarray, *chunks: bytes) -> Path:
    """H×W grey or H×W×3 samples of 8 or 16 bits, written by hand."""
    bits = samples.dtype.itemsize * 8
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, 0 if samples.ndim == 2 else 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(f">u{bits // 8}").tobytes() for row in samples)
    body = [chunk(b"IHDR", head), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(body))
    return path


def cicp(primaries: int, transfer: int, matrix: int = 0, full: int = 1) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, matrix, full]))


def colours(bits: int = 8) -> np.ndarray:
    row = np.array([COLOURS], np.uint16)
    return row.astype(np.uint8) if bits == 8 else row * 257


def near(found: Pixels, wanted: Sequence[Sequence[int]], within: int = 1) -> None:
    assert np.abs(found.reshape(-1, 3).astype(int) - np.array(wanted)).max() <= within, (found.tolist(), wanted)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("transfer", CURVES)
@pytest.mark.parametrize("primaries", MATRICES)
def test_primaries_and_transfers_of_png(tmp_path: Path, primaries: int, transfer: int, bits: int):
    path = png(tmp_path / "a.png", colours(bits), cicp(primaries, transfer))
    wanted = [expected([v / 255 for v in c], primaries, CURVES[transfer]) for c in COLOURS]
    near(read_picture(path).pixels, wanted)


@pytest.mark.parametrize("bits", [8, 16])
def test_limited_range(tmp_path: Path, bits: int):
    scale = 1 if bits == 8 else 256
    row = [[16, 16, 16], [235, 235, 235], [126, 126, 126], [60, 180, 99], [0, 255, 20]]
    samples = (np.array([row]) * scale).astype(np.uint8 if bits == 8 else np.uint16)
    path = png(tmp_path / "a.png", samples, cicp(12, 13, full=0))
    wanted = [expected([min(1, max(0, (v - 16) / 219)) for v in c], 12, srgb) for c in row]
    near(read_picture(path).pixels, wanted)
    assert read_picture(path).facts["cicp"] == "Display P3, sRGB, limited range"


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("transfer", [1, 4, 8, 13])
def test_grey_has_a_curve_and_no_primaries(tmp_path: Path, bits: int, transfer: int):
    levels = [0, 3, 40, 128, 200, 255]
    samples = (np.array([levels], np.uint16) * (1 if bits == 8 else 257)).astype(np.uint8 if bits == 8 else np.uint16)
    path = png(tmp_path / "a.png", samples, cicp(9, transfer))
    near(read_picture(path).pixels, [[encoded(CURVES[transfer](v / 255))] * 3 for v in levels])


def test_what_is_srgb_stays_as_it_is(tmp_path: Path):
    for points in ((1, 13), (2, 13), (1, 2)):
        path = png(tmp_path / "a.png", colours(), cicp(*points))
        assert np.array_equal(read_picture(path).pixels, colours())


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_code_points_go_before_every_other_declaration(tmp_path: Path):
    profile = chunk(b"iCCP", b"p\0\0" + zlib.compress(srgb_profile()))
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    wanted = [expected([v / 255 for v in c], 12, srgb) for c in COLOURS]
    for others in ([profile], [chunk(b"sRGB", b"\0")], [gamma], [gamma, profile]):
        for chunks in ([cicp(12, 13), *others], [*others, cicp(12, 13)]):
            found = read_picture(png(tmp_path / "a.png", colours(), *chunks))
            near(found.pixels, wanted)
            assert found.facts["profile"] == "" and "gamma" not in found.facts


def test_srgb_by_number_goes_before_another_gamma(tmp_path: Path):
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    assert np.array_equal(read_picture(png(tmp_path / "a.png", colours(), cicp(1, 13), gamma)).pixels, colours())


@pytest.mark.parametrize(
    "unusable", [cicp(2, 2), cicp(12, 13, matrix=9), cicp(12, 13, full=7), chunk(b"cICP", b"\x0c\x0d"), cicp(77, 13)]
)
def test_what_cannot_be_used_leaves_the_next_declaration(tmp_path: Path, unusable: bytes):
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    found = read_picture(png(tmp_path / "a.png", colours(), unusable, gamma))
    near(found.pixels, [[encoded(v / 255) for v in c] for c in COLOURS])
    assert found.facts["gamma"] == 1.0


def test_unknown_numbers_are_named(tmp_path: Path):
    from curate.stages.convert import Convert

    path = png(tmp_path / "a.png", colours(), cicp(9, 99))
    assert "transfer 99" in read_picture(path).facts["cicp_error"]
    (done,) = run(Convert(), env(tmp_path), record(path))
    assert any("read as sRGB" in note and "transfer 99" in note for note in done.notes)


# high dynamic range


def test_the_curves_at_published_points():
    for nits, value in ((0, 0), (100, 0.5081), (203, 0.5807), (1000, 0.7518), (10_000, 1)):
        assert float(pq_encoded(np.float64(nits))) == pytest.approx(value, abs=1e-4)
        assert float(pq_light(np.float64(value))) == pytest.approx(nits, rel=2e-3, abs=1e-3)
    assert float(hlg_light(np.float64(0.5))) == pytest.approx(1 / 12)
    assert float(hlg_light(np.float64(1.0))) == pytest.approx(1, abs=1e-6)
    # BT.2408: 75 % HLG is paper white on the nominal display
    assert 1000 * float(hlg_light(np.float64(0.75))) ** 1.2 == pytest.approx(203, abs=1)


def pq_of(nits: float) -> float:
    """ST 2084 as the standard writes it."""
    y = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg_of(light: float) -> float:
    return math.sqrt(3 * light) if light <= 1 / 12 else 0.17883277 * math.log(12 * light - 0.28466892) + 0.55991073


def deep(values: Sequence[Sequence[float]], bits: int) -> np.ndarray:
    top = 255 if bits == 8 else 65535
    return np.rint(np.array([values]) * top).astype(np.uint8 if bits == 8 else np.uint16)


NITS = [(203, 203, 203), (100, 100, 100), (10, 150, 40), (150, 60, 30), (20, 30, 180), (1, 1, 1), (60, 60, 60)]


@pytest.mark.parametrize("primaries", [1, 9, 12])
def test_pq_without_highlights_is_the_same_light(tmp_path: Path, primaries: int):
    samples = deep([[pq_of(n) for n in colour] for colour in NITS], 16)
    found = read_picture(png(tmp_path / "a.png", samples, cicp(primaries, 16)))
    near(found.pixels, [expected([n / 203 for n in colour], primaries, lambda v: v) for colour in NITS])
    assert found.facts["tone_mapped"] == "PQ"


def test_pq_of_eight_bits_and_grey(tmp_path: Path):
    samples = deep([[pq_of(n) for n in colour] for colour in NITS], 8)
    near(
        read_picture(png(tmp_path / "a.png", samples, cicp(1, 16))).pixels,
        [expected([n / 203 for n in colour], 1, lambda v: v) for colour in NITS],
        within=6,  # half a step of 8-bit PQ is as much as that
    )
    grey = deep([[pq_of(n)] for n in (0, 5, 50, 203)], 16)[:, :, 0]
    near(
        read_picture(png(tmp_path / "b.png", grey, cicp(9, 16))).pixels,
        [[encoded(n / 203)] * 3 for n in (0, 5, 50, 203)],
    )


def test_hlg_without_highlights_is_the_light_of_the_nominal_display(tmp_path: Path):
    greys = [0.0, 1, 20, 100, 203]
    samples = deep([[hlg_of((n / 1000) ** (1 / 1.2))] * 3 for n in greys], 16)
    found = read_picture(png(tmp_path / "a.png", samples, cicp(9, 18)))
    near(found.pixels, [[encoded(n / 203)] * 3 for n in greys])
    assert found.facts["cicp"] == "BT.2020, HLG"


@pytest.mark.parametrize("peak", [250, 600, 1000, 4000, 10_000])
def test_highlights_are_compressed_and_the_rest_is_kept(tmp_path: Path, peak: float):
    ladder = np.linspace(0, 1, 41) ** 2 * peak
    samples = deep([[pq_of(n)] * 3 for n in ladder], 16)
    row = read_picture(png(tmp_path / "a.png", samples, cicp(1, 16))).pixels[0, :, 0].astype(int)
    assert row[0] == 0 and row[-1] >= 254 and (np.diff(row) >= 0).all()
    # BT.2390's knee: below it light is what it was
    most = pq_of(203) / pq_of(peak)
    knee = (1.5 * most - 0.5) * pq_of(peak)
    for nits, value in zip(ladder, row, strict=True):
        if pq_of(nits) < knee - 0.005:
            assert abs(value - encoded(nits / 203)) <= 1, nits
        else:
            assert value <= encoded(nits / 203) + 1
    assert float(compressed(np.float64(peak), peak)) == pytest.approx(203, rel=1e-3)


def test_highlights_keep_their_hue(tmp_path: Path):
    samples = deep([[pq_of(n) for n in (900, 300, 100)], [pq_of(1000)] * 3], 16)
    red, green, blue = (srgb(v / 255) for v in read_picture(png(tmp_path / "a.png", samples, cicp(1, 16))).pixels[0, 0])
    assert red / green == pytest.approx(3, rel=0.03) and green / blue == pytest.approx(3, rel=0.03)


def test_hlg_highlights_reach_white_and_no_more(tmp_path: Path):
    samples = deep([[v] * 3 for v in np.linspace(0, 1, 33)], 16)
    row = read_picture(png(tmp_path / "a.png", samples, cicp(9, 18))).pixels[0, :, 1].astype(int)
    assert row[0] == 0 and row[-1] >= 254 and (np.diff(row) >= 0).all() and row[24] > 190


# HEIF and AVIF


@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 13), (9, 1), (1, 4), (12, 8)])
def test_nclx_of_heif(tmp_path: Path, primaries: int, transfer: int):
    heif = pytest.importorskip("pillow_heif")
    wide = np.repeat(np.repeat(colours(), 16, axis=0), 16, axis=1)
    path = tmp_path / "a.heic"
    about = {"color_primaries": primaries, "transfer_characteristics": transfer, "matrix_coefficients": 0}
    heif.from_pillow(Image.fromarray(wide)).save(path, quality=-1, chroma=444, full_range_flag=1, **about)
    middle = read_picture(path).pixels[8:9, 8::16]
    near(middle, [expected([v / 255 for v in c], primaries, CURVES[transfer]) for c in COLOURS], within=3)


def with_nclx(path: Path, primaries: int, transfer: int) -> None:
    data = path.read_bytes()
    at = data.index(b"colrnclx") + 8
    path.write_bytes(data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :])


@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 13), (9, 14), (1, 5), (12, 1)])
def test_nclx_of_avif(tmp_path: Path, primaries: int, transfer: int):
    wide = np.repeat(np.repeat(colours(), 16, axis=0), 16, axis=1)
    path = tmp_path / "a.avif"
    Image.fromarray(wide).save(path, quality=100, subsampling="4:4:4")
    plain = read_picture(path).pixels
    with_nclx(path, primaries, transfer)
    wanted = [expected([v / 255 for v in c], primaries, CURVES[transfer]) for c in plain[8, 8::16].tolist()]
    near(read_picture(path).pixels[8:9, 8::16], wanted)


def test_a_profile_goes_before_nclx(tmp_path: Path):
    path = tmp_path / "a.avif"
    Image.fromarray(np.repeat(colours(), 8, axis=0)).save(path, icc_profile=srgb_profile())
    before = read_picture(path).pixels
    data = path.read_bytes()
    if b"colrnclx" in data:
        with_nclx(path, 9, 16)
    assert np.array_equal(read_picture(path).pixels, before)


def test_nclx_of_an_animation(tmp_path: Path):
    path = tmp_path / "a.avif"
    frames = [Image.fromarray(np.full((32, 32, 3), v, np.uint8)) for v in ((200, 60, 40), (40, 200, 60))]
    frames[0].save(path, save_all=True, append_images=frames[1:], quality=100, subsampling="4:4:4")
    plain = read_picture(path).pixels
    data = path.read_bytes().replace(b"colrnclx\0\1\0\x0d", b"colrnclx\0\x0c\0\x0d")
    path.write_bytes(data)
    near(read_picture(path).pixels[:1, :1], [expected([v / 255 for v in plain[0, 0].tolist()], 12, srgb)])
