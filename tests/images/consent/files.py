"""Pictures in every container that carries XMP or a C2PA manifest store, made by hand where no library writes them."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

VOCAB = "http://ns.useplus.org/ldf/vocab/"
HEAD = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
)
TAIL = '</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
NS = 'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"'


def described(attributes: str = "", elements: str = "", ns: str = NS) -> bytes:
    return f'{HEAD}<rdf:Description rdf:about="" {ns} {attributes}>{elements}</rdf:Description>{TAIL}'.encode()


def element(value: str) -> bytes:
    return described(elements=f"<plus:DataMining>{value}</plus:DataMining>")


PROHIBITED = element(VOCAB + "DMI-PROHIBITED-AIMLTRAINING")


def picture() -> Image.Image:
    return Image.frombytes("RGB", (32, 24), random.Random(1).randbytes(32 * 24 * 3))


def png_info(xmp: bytes, packed: bool = False) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=packed)
    return info


def magick_profile(xmp: bytes) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    digits = xmp.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    info.add_text("Raw profile type xmp", f"\nxmp\n{len(xmp):8d}\n{lines}\n", zip=True)
    return info


def tiff_tags(xmp: bytes) -> TiffImagePlugin.ImageFileDirectory_v2:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[700] = xmp
    tags.tagtype[700] = 1
    return tags


def save(path: Path, container: str, xmp: bytes) -> None:
    image = picture()
    if container == "jpeg":
        image.save(path, "JPEG", xmp=xmp)
    elif container == "mpo":
        image.save(path, "MPO", save_all=True, append_images=[image], xmp=xmp)
    elif container == "png":
        image.save(path, "PNG", pnginfo=png_info(xmp))
    elif container == "png, packed":
        image.save(path, "PNG", pnginfo=png_info(xmp, packed=True))
    elif container == "png, raw profile":
        image.save(path, "PNG", pnginfo=magick_profile(xmp))
    elif container == "tiff":
        image.save(path, "TIFF", tiffinfo=tiff_tags(xmp))
    elif container == "big tiff":
        image.save(path, "TIFF", tiffinfo=tiff_tags(xmp), big_tiff=True)
    elif container == "webp":
        image.save(path, "WEBP", xmp=xmp)
    elif container == "avif":
        image.save(path, "AVIF", xmp=xmp)
    elif container == "gif":
        image.save(path, "GIF")
        gif(path, xmp)
    elif container == "psd":
        path.write_bytes(psd(xmp))
    else:
        heif = pytest.importorskip("pillow_heif", reason="HEIF needs pillow_heif")
        heif.register_heif_opener()
        heif.from_pillow(image).save(path, xmp=xmp)


def gif(path: Path, xmp: bytes) -> None:
    """Puts an XMP extension with its magic trailer before the end, as the XMP specification says."""
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    path.write_bytes(path.read_bytes()[:-1] + b"\x21\xff\x0bXMP DataXMP" + xmp + trailer + b";")


def psd(xmp: bytes) -> bytes:
    resource = b"8BIM" + struct.pack(">HHI", 1060, 0, len(xmp)) + xmp + b"\0" * (len(xmp) % 2)
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 8, 8, 8, 3) + struct.pack(">I", 0)
    return head + struct.pack(">I", len(resource)) + resource + struct.pack(">IH", 0, 0) + b"\x55" * 192


CONTAINERS = (
    "jpeg", "mpo", "png", "png, packed", "png, raw profile", "tiff", "big tiff", "webp", "avif", "heif", "gif", "psd",
)  # fmt: skip


def box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", len(payload) + 8, kind) + payload


def superbox(label: str, *inside: bytes) -> bytes:
    return box(b"jumb", box(b"jumd", bytes(16) + b"\x03" + label.encode() + b"\0") + b"".join(inside))


def store(label: str, *content: bytes) -> bytes:
    assertions = superbox("c2pa.assertions", superbox(label, *content))
    return superbox("c2pa", superbox("urn:c2pa:one", assertions))


def with_store(path: Path, manifest: bytes) -> None:
    picture().save(path, "PNG")
    raw = path.read_bytes()
    chunk = b"caBX" + manifest
    path.write_bytes(
        raw[:33] + struct.pack(">I", len(manifest)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + raw[33:]
    )
