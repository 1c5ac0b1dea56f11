"""The third answer: what cannot be checked is neither a refusal nor none, in every container."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import brotli
import cbor2
import pytest
from PIL import Image, PngImagePlugin

from curate.images.consent import check
from tests.images.consent.files import (
    NS,
    PROHIBITED,
    VOCAB,
    box,
    described,
    element,
    gif,
    picture,
    png_info,
    save,
    store,
    superbox,
    with_store,
)

ALLOWED = element(VOCAB + "DMI-ALLOWED")
REFUSAL = {"entries": {"c2pa.ai_training": {"use": "notAllowed"}}}
JXL_HEAD = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ")


def answer(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return check(path).answer


def packed(kind: bytes, content: bytes) -> bytes:
    return box(b"brob", kind + brotli.compress(content))


def jxl(*boxes: bytes) -> bytes:
    return JXL_HEAD + b"".join(boxes) + box(b"jxlc", b"\xff\x0a" + bytes(40))


MANIFEST = store("c2pa.training-mining", box(b"cbor", cbor2.dumps(REFUSAL)))


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([packed(b"xml ", PROHIBITED)], "refused"),
        ([packed(b"jumb", MANIFEST[8:])], "refused"),
        ([box(b"Exif", bytes(8)), packed(b"Exif", bytes(12)), packed(b"xml ", PROHIBITED)], "refused"),
        ([packed(b"xml ", ALLOWED)], "not-refused"),
        ([packed(b"Exif", b"\0\0\0\0II*\0")], "not-refused"),
        ([packed(b"note", PROHIBITED)], "not-refused"),
        ([packed(b"xml ", ALLOWED)[:-9] + bytes(9)], "unchecked"),
        ([box(b"brob", b"xml " + b"\xff" * 50)], "unchecked"),
        ([box(b"brob", b"jumb" + brotli.compress(MANIFEST[8:])[:-5])], "unchecked"),
        ([box(b"brob", b"xm")], "unchecked"),
        ([struct.pack(">I4s", 1 << 20, b"brob") + b"xml "], "unchecked"),
    ],
)
def test_packed_boxes_of_jpeg_xl(tmp_path: Path, boxes: list[bytes], expected: str):
    assert answer(tmp_path / "a.jxl", jxl(*boxes)) == expected


def test_what_unpacks_without_end_is_not_unpacked(tmp_path: Path):
    bomb = brotli.compress(bytes(70 << 20))
    found = check_bytes(tmp_path / "a.jxl", jxl(box(b"brob", b"xml " + bomb)))
    assert found.answer == "unchecked" and "more than 64 MiB" in found.reason
    text = PngImagePlugin.PngInfo()
    text.add_text("XML:com.adobe.xmp", "x" * (66 << 20), zip=True)
    picture().save(tmp_path / "b.png", pnginfo=text)
    assert check(tmp_path / "b.png").answer == "unchecked"


def check_bytes(path: Path, data: bytes):
    path.write_bytes(data)
    return check(path)


def item_file(
    content: bytes,
    *,
    construction: int = 0,
    encoding: bytes = b"",
    protection: int = 0,
    pieces: int = 1,
    shift: int = 0,
    reference: int = 0,
    version: int = 1,
) -> bytes:
    """A HEIF file with one XMP item; `pieces` extents, `shift` moves them, construction 2 lays them in item 2."""
    type_ = b"mime\0application/rdf+xml\0" + encoding + b"\0"
    entries = [box(b"infe", b"\2\0\0\0" + struct.pack(">HH", 1, protection) + type_)]
    if construction == 2:
        entries.append(box(b"infe", b"\2\0\0\0" + struct.pack(">HH", 2, 0) + b"free\0"))
    iinf = box(b"iinf", b"\0\0\0\0" + struct.pack(">H", len(entries)) + b"".join(entries))
    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")

    def meta(base: int) -> bytes:
        step = -(-len(content) // pieces)
        extents = [(at, min(step, len(content) - at)) for at in range(0, len(content), step)]
        wide = "I" if version == 2 else "H"

        def entry(item: int, how: int, start: int, parts: list[tuple[int, int]]) -> bytes:
            row = struct.pack(f">{wide}", item) + (struct.pack(">H", how) if version else b"")
            row += struct.pack(">HIH", reference, start, len(parts))
            for at, length in parts:
                row += (struct.pack(">I", 1) if version else b"") + struct.pack(">II", at + shift, length)
            return row

        if construction == 2:
            rows = [entry(1, 2, 0, extents), entry(2, 1, 0, [(0, len(content))])]
        else:
            rows = [entry(1, construction, 0 if construction else base, extents)]
        sizes = struct.pack(">H", 0x4444 if version else 0x4440)
        iloc = box(b"iloc", bytes([version, 0, 0, 0]) + sizes + struct.pack(f">{wide}", len(rows)) + b"".join(rows))
        iref = box(b"iref", b"\0\0\0\0" + box(b"iloc", struct.pack(">HHH", 1, 1, 2))) if construction == 2 else b""
        idat = box(b"idat", content) if construction else b""
        return box(b"meta", b"\0\0\0\0" + iinf + iloc + iref + idat)

    size = len(head) + len(meta(0)) + 8
    return head + meta(size) + box(b"mdat", b"" if construction else content)


@pytest.mark.parametrize("construction", [0, 1, 2])
@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("version", [1, 2])
def test_items_wherever_they_lie(tmp_path: Path, construction: int, pieces: int, version: int):
    settings = {"construction": construction, "pieces": pieces, "version": version}
    assert answer(tmp_path / "a.heic", item_file(PROHIBITED, **settings)) == "refused"
    assert answer(tmp_path / "a.heic", item_file(ALLOWED, **settings)) == "not-refused"
    assert answer(tmp_path / "a.heic", item_file(PROHIBITED, **settings, shift=10**6)) == "unchecked"


def test_items_of_the_first_version_of_the_list(tmp_path: Path):
    assert answer(tmp_path / "a.heic", item_file(PROHIBITED, version=0, pieces=2)) == "refused"


@pytest.mark.parametrize(
    ("encoding", "pack"), [(b"deflate", zlib.compress), (b"gzip", gzip.compress), (b"br", brotli.compress)]
)
def test_packed_items(tmp_path: Path, encoding: bytes, pack: Callable[[bytes], bytes]):
    assert answer(tmp_path / "a.avif", item_file(pack(PROHIBITED), encoding=encoding)) == "refused"
    assert answer(tmp_path / "a.avif", item_file(pack(PROHIBITED)[:40], encoding=encoding)) == "unchecked"


def test_items_that_cannot_be_read(tmp_path: Path):
    cases = {
        "unknown packing": item_file(PROHIBITED, encoding=b"zstd"),
        "encrypted": item_file(PROHIBITED, protection=1),
        "another file": item_file(PROHIBITED, reference=1),
        "unknown construction": item_file(PROHIBITED, construction=3),
        "cut": item_file(PROHIBITED)[:-50],
    }
    assert {name: answer(tmp_path / "a.heic", data) for name, data in cases.items()} == dict.fromkeys(
        cases, "unchecked"
    )


def test_items_of_an_image_sequence(tmp_path: Path):
    whole = item_file(PROHIBITED, construction=1)
    at = whole.index(b"meta") - 4
    end = at + int.from_bytes(whole[at : at + 4], "big")
    moved = whole[:at] + box(b"moov", box(b"trak", whole[at:end])) + whole[end:]
    assert answer(tmp_path / "a.avif", moved) == "refused"
    xml = box(b"meta", b"\0\0\0\0" + box(b"xml ", b"\0\0\0\0" + PROHIBITED))
    assert answer(tmp_path / "b.avif", box(b"ftyp", b"avif\0\0\0\0") + xml) == "refused"


def segments(pieces: list[tuple[int, bytes]], length: int) -> bytes:
    found = b""
    for offset, piece in pieces:
        data = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + struct.pack(">II", length, offset) + piece
        found += b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
    return found


def jpeg(extra: bytes) -> bytes:
    file = io.BytesIO()
    picture().save(file, "JPEG")
    return file.getvalue()[:2] + extra + file.getvalue()[2:]


def test_extended_xmp_with_a_missing_piece(tmp_path: Path):
    body = described(elements=f"<plus:Junk>{'j' * 9000}</plus:Junk>") + b" " * 100
    pieces = [(at, body[at : at + 3000]) for at in range(0, len(body), 3000)]
    path = tmp_path / "a.jpg"
    assert answer(path, jpeg(segments(pieces, len(body)))) == "not-refused"
    for missing in range(len(pieces)):
        rest = pieces[:missing] + pieces[missing + 1 :]
        assert answer(path, jpeg(segments(rest, len(body)))) == "unchecked", missing


def test_a_jpeg_that_ends_within_its_head(tmp_path: Path):
    whole = jpeg(b"")
    head = whole.index(b"\xff\xda")
    assert {answer(tmp_path / "a.jpg", whole[:cut]) for cut in range(20, head, 37)} == {"unchecked"}
    assert {answer(tmp_path / "a.jpg", whole[:cut]) for cut in range(head + 2, len(whole), 101)} == {"not-refused"}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes, last: bool = False) -> bytes:
    file = io.BytesIO()
    picture().save(file, "PNG")
    whole = file.getvalue()
    at = len(whole) - 12 if last else 33
    return whole[:at] + b"".join(chunks) + whole[at:]


KEY = b"XML:com.adobe.xmp\0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (chunk(b"zTXt", KEY + b"\0" + zlib.compress(PROHIBITED)), "refused"),
        (chunk(b"iTXt", KEY + b"\1\0\0\0" + zlib.compress(PROHIBITED)), "refused"),
        (chunk(b"iTXt", KEY + b"\0\0en\0\0" + PROHIBITED), "refused"),
        (chunk(b"tEXt", KEY + PROHIBITED), "refused"),
        (chunk(b"tEXt", b"Comment\0" + PROHIBITED), "not-refused"),
        (chunk(b"zTXt", b"Comment\0\0" + b"broken"), "not-refused"),
        (chunk(b"zTXt", KEY + b"\0" + zlib.compress(ALLOWED)[:-20]), "unchecked"),
        (chunk(b"zTXt", KEY + b"\0broken"), "unchecked"),
        (chunk(b"zTXt", KEY + b"\7" + zlib.compress(PROHIBITED)), "unchecked"),
        (chunk(b"iTXt", KEY + b"\1\1\0\0" + zlib.compress(PROHIBITED)), "unchecked"),
        (chunk(b"tEXt", b"Raw profile type xmp\0\nxmp\n 9\nzz"), "unchecked"),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_texts_of_png(tmp_path: Path, text: bytes, expected: str, last: bool):
    assert answer(tmp_path / "a.png", png(text, last=last)) == expected


@pytest.mark.parametrize("container", ["png", "webp", "tiff", "big tiff", "avif", "heif", "jpeg", "mpo"])
def test_a_marked_file_that_is_cut_is_never_taken_for_free(tmp_path: Path, container: str):
    path = tmp_path / "picture"
    save(path, container, PROHIBITED)
    whole = path.read_bytes()
    assert check(path).answer == "refused"
    for cut in range(20, len(whole), max(1, len(whole) // 150)):
        assert answer(path, whole[:cut]) != "not-refused", cut


def test_a_gif_that_is_cut_within_a_block(tmp_path: Path):
    path = tmp_path / "a.gif"
    picture().save(path)
    plain = path.read_bytes()
    assert check(path).answer == "not-refused"
    assert answer(path, plain[:-1]) == "not-refused", "many programs leave the last byte out"
    assert answer(path, plain[: len(plain) // 2]) == "unchecked"
    path.write_bytes(plain)
    gif(path, PROHIBITED)
    assert check(path).answer == "refused"
    assert answer(path, path.read_bytes()[:-300]) != "not-refused"


SOUND = described(f'plus:DataMining="{VOCAB}DMI-PROHIBITED"').decode().replace("\ufeff", "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("before", ["", " \n", '<?xml version="1.0"?>'])
def test_every_encoding_of_xmp(tmp_path: Path, encoding: str, mark: str, before: str):
    path = tmp_path / "a.webp"
    picture().save(path, xmp=(mark + before + SOUND).encode(encoding))
    assert [(m.value, m.certainty) for m in check(path).marks] == [("DMI-PROHIBITED", "stated")]


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (PROHIBITED.replace(b"</rdf:RDF>", b""), "refused"),
        (PROHIBITED.replace(NS.encode(), b"").replace(b"</plus:DataMining>", b""), "refused"),
        (PROHIBITED[: PROHIBITED.index(b"DMI-PRO")], "unchecked"),
        (described("plus:DataMining=")[:-60], "unchecked"),
        (b"<!DOCTYPE x [<!ENTITY e 'DMI-PROHIBITED'>]>" + element("&e;"), "unchecked"),
        (described(elements="<dc:title>no end", ns='xmlns:dc="x"'), "not-refused"),
        (b"<x:xmpmeta", "not-refused"),
        (b"", "not-refused"),
    ],
)
def test_damaged_packets(tmp_path: Path, packet: bytes, expected: str):
    path = tmp_path / "a.webp"
    picture().save(path, xmp=packet or b"\0")
    assert check(path).answer == expected


ASSERTIONS = {
    "deep": box(b"cbor", b"\x81" * 5000),
    "cut": box(b"cbor", cbor2.dumps(REFUSAL)[:-4]),
    "no CBOR": box(b"cbor", b"\xff\xff"),
    "no JSON": box(b"json", b'{"entries": {"c2pa.ai_training"'),
    "a list": box(b"cbor", cbor2.dumps(["c2pa.ai_training", "notAllowed"])),
    "no entries": box(b"json", json.dumps({"metadata": {}}).encode()),
    "no use": box(b"cbor", cbor2.dumps({"entries": {"c2pa.ai_training": {"allowed": False}}})),
}


@pytest.mark.parametrize("name", ASSERTIONS)
def test_assertions_that_cannot_be_read(tmp_path: Path, name: str):
    with_store(tmp_path / "a.png", store("c2pa.training-mining", ASSERTIONS[name]))
    assert check(tmp_path / "a.png").answer == "unchecked"
    with_store(tmp_path / "a.png", store("org.example.other", ASSERTIONS[name]))
    assert check(tmp_path / "a.png").answer == "not-refused"


def test_stores_that_do_not_hold_together(tmp_path: Path):
    path = tmp_path / "a.png"
    for cut in range(10, len(MANIFEST) - 1, 7):
        with_store(path, MANIFEST[:cut])
        assert check(path).answer == "unchecked", cut
    with_store(path, MANIFEST + bytes(32))
    assert check(path).answer == "refused", "zeros after the store are padding"


def test_a_compressed_manifest(tmp_path: Path):
    assertions = superbox("c2pa.assertions", superbox("c2pa.training-mining", box(b"cbor", cbor2.dumps(REFUSAL))))
    inner = box(b"jumd", bytes(16) + b"\3urn:c2pa:one\0") + assertions
    with_store(tmp_path / "a.png", superbox("c2pa", superbox("urn:c2pa:one", packed(b"jumb", inner))))
    assert check(tmp_path / "a.png").answer == "refused"
    broken = box(b"brob", b"jumb" + brotli.compress(inner)[:-6])
    with_store(tmp_path / "a.png", superbox("c2pa", superbox("urn:c2pa:one", broken)))
    assert check(tmp_path / "a.png").answer == "unchecked"


def test_tags_of_cbor_do_not_hide_an_assertion(tmp_path: Path):
    value = cbor2.CBORTag(55799, {"entries": {"cawg.data_mining": cbor2.CBORTag(6000, {"use": "constrained"})}})
    with_store(tmp_path / "a.png", store("cawg.training-mining", box(b"cbor", cbor2.dumps(value))))
    assert check(tmp_path / "a.png").answer in ("refused", "unchecked")


def test_xmp_in_exif_counts_and_broken_exif_is_no_gap(tmp_path: Path):
    exif = Image.Exif()
    exif[700] = PROHIBITED
    picture().save(tmp_path / "a.jpg", exif=exif)
    assert check(tmp_path / "a.jpg").answer == "refused"
    picture().save(tmp_path / "b.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert check(tmp_path / "b.jpg").answer == "not-refused"


def test_icons_with_a_picture_inside(tmp_path: Path):
    picture().save(tmp_path / "a.png", pnginfo=png_info(PROHIBITED, packed=True))
    inside = (tmp_path / "a.png").read_bytes()
    entry = struct.pack("<BBBBHHII", 32, 24, 0, 0, 1, 32, len(inside), 22)
    assert answer(tmp_path / "a.ico", struct.pack("<HHH", 0, 1, 1) + entry + inside) == "refused"


def test_files_that_are_no_pictures(tmp_path: Path):
    assert check(tmp_path / "none").answer == "unchecked"
    assert "No such file" in check(tmp_path / "none").reason
    assert answer(tmp_path / "empty", b"") == "not-refused"
    assert answer(tmp_path / "text.txt", b"DataMining DMI-PROHIBITED") == "not-refused"


def within(path: Path, container: str, part: float, xmp: bytes = b"") -> str:
    """Where a file is damaged that ends after this part of its bytes."""
    if xmp:
        save(path, container, xmp)
    else:
        picture().save(path, container)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    return check(path).damage


@pytest.mark.parametrize("container", ["PNG", "WEBP", "GIF", "AVIF"])
@pytest.mark.parametrize("part", [0.5, 0.75, 0.98])
def test_damage_within_the_picture(tmp_path: Path, container: str, part: float):
    assert within(tmp_path / "a", container, max(part, 0.75) if container == "GIF" else part) == "picture"


BEFORE = [("PNG", 0.005), ("WEBP", 0.008), ("JPEG", 0.1), ("TIFF", 0.003), ("AVIF", 0.1)]


@pytest.mark.parametrize(("container", "part"), BEFORE)
def test_damage_before_the_picture(tmp_path: Path, container: str, part: float):
    assert within(tmp_path / "a", container, part) == "metadata"


@pytest.mark.parametrize("container", ["webp", "avif", "png"])
@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_damage_within_the_picture_needs_the_marks_read(tmp_path: Path, container: str, part: float):
    """WebP puts XMP last and announces it; the others may keep it in front."""
    damage = within(tmp_path / "a", container, part, ALLOWED)
    assert damage == "metadata" or check(tmp_path / "a").marks


def test_a_whole_file_with_packed_marks_is_not_damaged(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(png(chunk(b"zTXt", KEY + b"\7" + zlib.compress(PROHIBITED)), last=False))
    found = check(tmp_path / "a.png")
    assert (found.answer, found.damage) == ("unchecked", "")
