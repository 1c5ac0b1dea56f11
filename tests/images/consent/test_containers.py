"""Consent marks: recognised in every container that libraries write, near-misses not, broken files never raise."""

import datetime
import io
import json
import random
import struct
import tracemalloc
from pathlib import Path

import cbor2
import pytest
from PIL import Image

from curate.images.consent import Mark, check
from curate.images.consent.containers import packets
from tests.images.consent.files import (
    CONTAINERS,
    NS,
    PROHIBITED,
    VOCAB,
    box,
    described,
    element,
    picture,
    png_info,
    save,
    store,
    with_store,
)


def marks(path: Path) -> list[Mark]:
    return list(check(path).marks)


def refusal(path: Path) -> str:
    found = check(path)
    return found.reason if found.answer == "refused" else ""


DATA = Path(__file__).parents[3] / "../shared/data"
LAYOUTS = {
    "element": element(VOCAB + "DMI-PROHIBITED"),
    "attribute": described(f'plus:DataMining="{VOCAB}DMI-PROHIBITED"'),
    "resource": described(elements=f'<plus:DataMining rdf:resource="{VOCAB}DMI-PROHIBITED"/>'),
    "value": described(
        elements=f'<plus:DataMining rdf:parseType="Resource">'
        f"<rdf:value>{VOCAB}DMI-PROHIBITED</rdf:value></plus:DataMining>"
    ),
    "bag": described(
        elements=f"<plus:DataMining><rdf:Bag><rdf:li>{VOCAB}DMI-PROHIBITED</rdf:li></rdf:Bag></plus:DataMining>"
    ),
    "bag of resources": described(
        elements=f'<plus:DataMining><rdf:Bag><rdf:li rdf:resource="{VOCAB}DMI-PROHIBITED"/></rdf:Bag></plus:DataMining>'
    ),
    "white space": element(f"\n   {VOCAB}DMI-PROHIBITED\n  "),
    "bare term": element("DMI-PROHIBITED"),
    "other prefix": PROHIBITED.replace(b"plus:", b"p9:").replace(b":plus=", b":p9=").replace(b"-AIMLTRAINING", b""),
    "character references": element("http&#58;//ns.useplus.org/ldf/vocab/DMI-PROHIBIT&#x45;D"),
    "utf-16": described(f'plus:DataMining="{VOCAB}DMI-PROHIBITED"').decode().lstrip("\ufeff").encode("utf-16"),
}

NEAR_MISSES = {
    "allowed": element(VOCAB + "DMI-ALLOWED"),
    "unspecified": element(VOCAB + "DMI-UNSPECIFIED"),
    "empty": element(""),
    "unknown term": element(VOCAB + "DMI-PREFERRED"),
    "foreign namespace": PROHIBITED.replace(b"http://ns.useplus.org/ldf/xmp/1.0/", b"http://example.org/"),
    "said in a description": described(
        elements=f"<dc:description>plus:DataMining {VOCAB}DMI-PROHIBITED</dc:description>",
        ns='xmlns:dc="http://purl.org/dc/elements/1.1/"',
    ),
    "only a comment": described(elements=f"<!-- <plus:DataMining>{VOCAB}DMI-PROHIBITED</plus:DataMining> -->"),
    "other property": described(elements=f"<plus:OtherConstraints>{VOCAB}DMI-PROHIBITED</plus:OtherConstraints>"),
    "words around it": element(f"{VOCAB}DMI-PROHIBITEDNESS DMI PROHIBITED"),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_carries_the_mark(tmp_path: Path, container: str):
    path = tmp_path / "picture"
    save(path, container, PROHIBITED)
    with Image.open(path) as image:
        image.load()
    assert [(m.value, m.refuses, m.certainty) for m in marks(path)] == [("DMI-PROHIBITED-AIMLTRAINING", True, "stated")]
    assert "AI training prohibited" in refusal(path)
    save(path, container, NEAR_MISSES["allowed"])
    assert [(m.value, m.refuses) for m in marks(path)] == [("DMI-ALLOWED", False)]
    assert refusal(path) == ""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_rdf_layout_is_read(tmp_path: Path, layout: str):
    path = tmp_path / "a.jpg"
    picture().save(path, xmp=LAYOUTS[layout])
    assert [(m.value, m.certainty) for m in marks(path)] == [("DMI-PROHIBITED", "stated")]


@pytest.mark.parametrize("layout", NEAR_MISSES)
def test_near_misses_do_not_refuse(tmp_path: Path, layout: str):
    path = tmp_path / "a.jpg"
    picture().save(path, xmp=NEAR_MISSES[layout])
    assert refusal(path) == ""


def test_the_packet_of_another_tool_in_the_middle_of_other_metadata(tmp_path: Path):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    picture().save(path, xmp=PROHIBITED, exif=exif, comment="x" * 60000, icc_profile=b"\0" * 100000, progressive=True)
    assert refusal(path)


def test_extended_xmp_is_joined_over_its_segments(tmp_path: Path):
    path = tmp_path / "a.jpg"
    picture().save(path, xmp=described('xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="' + "A" * 32 + '"'))
    body = described(
        elements=f'<plus:Junk>{"j" * 100000}</plus:Junk><plus:DataMining rdf:resource="{VOCAB}DMI-PROHIBITED"/>'
    )
    pieces = [body[at : at + 60000] for at in range(0, len(body), 60000)]
    segments = b""
    for number, piece in reversed(list(enumerate(pieces))):
        data = (
            b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + struct.pack(">II", len(body), number * 60000) + piece
        )
        segments += b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
    path.write_bytes(path.read_bytes()[:2] + segments + path.read_bytes()[2:])
    assert refusal(path)


def test_a_damaged_packet_counts_as_possible(tmp_path: Path):
    path = tmp_path / "a.png"
    broken = PROHIBITED.replace(b"</plus:DataMining>", b"").replace(NS.encode(), b"")
    picture().save(path, pnginfo=png_info(broken))
    assert [(m.value, m.certainty) for m in marks(path)] == [("DMI-PROHIBITED-AIMLTRAINING", "possible")]
    assert "not verified" in refusal(path)


def with_entities(declared: str, value: str) -> bytes:
    """A sound packet whose DataMining property is made of declared entities."""
    packet = element(value).decode().removeprefix("\ufeff")
    return packet.replace("<x:xmpmeta", f"<!DOCTYPE x [{declared}]><x:xmpmeta", 1).encode()


def test_entities_are_not_expanded(tmp_path: Path):
    path = tmp_path / "a.jpg"
    picture().save(path, xmp=with_entities(f'<!ENTITY said "{VOCAB}DMI-PROHIBITED">', "&said;"))
    assert marks(path) == [], "the mark stands in an entity alone: whoever finds it has expanded that"
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 6))
    bomb = with_entities(f'<!ENTITY a0 "aaaaaaaaaa">{levels}', "&a5;")
    picture().save(path, xmp=bomb)
    tracemalloc.start()
    try:
        assert marks(path) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300_000, "the million characters that it stands for were never made"


@pytest.mark.parametrize(
    ("label", "entry", "use", "refuses"),
    [
        ("c2pa.training-mining", "c2pa.ai_generative_training", "notAllowed", True),
        ("c2pa.training-mining__1", "c2pa.ai_training", "constrained", True),
        ("cawg.training-mining", "cawg.data_mining", "notAllowed", True),
        ("cawg.training-mining", "cawg.ai_training", "allowed", False),
    ],
)
@pytest.mark.parametrize("form", ["cbor", "json"])
def test_assertions(tmp_path: Path, label: str, entry: str, use: str, refuses: bool, form: str):
    value = {"entries": {entry: {"use": use}}}
    content = box(b"cbor", cbor2.dumps(value)) if form == "cbor" else box(b"json", json.dumps(value).encode())
    with_store(tmp_path / "a.png", store(label, content))
    assert [(m.value, m.refuses, m.certainty) for m in marks(tmp_path / "a.png")] == [
        (f"{entry}={use}", refuses, "possible")
    ]


def test_assertions_of_another_name_are_near_misses(tmp_path: Path):
    value = {"entries": {"c2pa.ai_training": {"use": "notAllowed"}}}
    with_store(tmp_path / "a.png", store("org.example.mining", box(b"cbor", cbor2.dumps(value))))
    assert marks(tmp_path / "a.png") == []


@pytest.fixture(scope="module")
def signer():
    """A signer of the C2PA library with a certificate made here."""
    c2pa = pytest.importorskip("c2pa", reason="signed manifests are made with c2pa-python")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def name(text: str) -> x509.Name:
        return x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, text), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "test")]
        )

    def certificate(subject: str, key: ec.EllipticCurvePrivateKey, ca: bool) -> bytes:
        usage = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = x509.CertificateBuilder(name("root"), name(subject), key.public_key(), 1 if ca else 2)
        builder = builder.not_valid_before(datetime.datetime(2025, 1, 1)).not_valid_after(datetime.datetime(2050, 1, 1))
        builder = builder.add_extension(x509.BasicConstraints(ca, None), True)
        builder = builder.add_extension(
            x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), True
        )
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        if not ca:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), False
            )
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        return builder.sign(root, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def sign(data: bytes) -> bytes:
        r, s = utils.decode_dss_signature(leaf.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    chain = (certificate("leaf", leaf, False) + certificate("root", root, True)).decode()
    return c2pa.Signer.from_callback(sign, c2pa.C2paSigningAlg.ES256, chain)


def signed(signer: object, form: str, use: str) -> bytes:
    import c2pa

    created = {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
    }
    manifest = {
        "claim_generator_info": [{"name": "test", "version": "1"}],
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [created]}},
            {"label": "cawg.training-mining", "data": {"entries": {"cawg.ai_generative_training": {"use": use}}}},
        ],
    }
    source, target = io.BytesIO(), io.BytesIO()
    picture().resize((640, 480)).save(source, form)
    source.seek(0)
    c2pa.Builder(json.dumps(manifest)).sign(signer, f"image/{form.lower()}", source, target)
    return target.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_signed_manifests_of_the_c2pa_library(tmp_path: Path, signer: object, form: str):
    path = tmp_path / "picture"
    path.write_bytes(signed(signer, form, "notAllowed"))
    assert refusal(path) == "content credentials: cawg.ai_generative_training notAllowed, not verified"
    path.write_bytes(signed(signer, form, "allowed"))
    assert [m.refuses for m in marks(path)] == [False]


@pytest.mark.parametrize("container", CONTAINERS)
def test_truncated_and_flipped_bytes_never_raise(tmp_path: Path, container: str):
    path = tmp_path / "picture"
    save(path, container, LAYOUTS["attribute"])
    raw, dice = path.read_bytes(), random.Random(7)
    for cut in range(0, len(raw), max(1, len(raw) // 60)):
        path.write_bytes(raw[:cut])
        marks(path)
    for _ in range(120):
        broken = bytearray(raw)
        for _ in range(dice.randint(1, 12)):
            broken[dice.randrange(min(len(raw), 400) if dice.random() < 0.7 else len(raw))] = dice.randrange(256)
        path.write_bytes(broken)
        marks(path)


def test_no_file_folder_and_nonsense(tmp_path: Path):
    (tmp_path / "empty").touch()
    (tmp_path / "noise").write_bytes(random.Random(3).randbytes(5000))
    for path in (tmp_path, tmp_path / "none", tmp_path / "empty", tmp_path / "noise"):
        assert marks(path) == []


class Counted(io.FileIO):
    """A file that counts the bytes handed out."""

    handed = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self.handed += len(data)
        return data


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_real_files_refuse_nothing():
    paths = [p for folder in ("photos", "sprites", "hostile") for p in (DATA / folder).rglob("*") if p.is_file()]
    assert len(paths) > 400
    assert [path.name for path in paths if refusal(path)] == []


@pytest.mark.skipif(not (DATA / "photos").is_dir(), reason="needs ../shared/data/photos")
def test_of_a_photo_only_the_headers_are_read():
    read = whole = 0
    for path in (DATA / "photos").glob("*/*.jpg"):
        with Counted(path) as file:
            list(packets(file))
            read, whole = read + file.handed, whole + path.stat().st_size
            assert file.handed < 16_384
    assert 0 < read < whole / 100


def test_marked_regularisation_pictures_are_left_out_and_named(tmp_path: Path):
    from curate.errors import InputError
    from curate.train.data.dataset import read_dataset

    (tmp_path / "1_dog").mkdir()
    save(tmp_path / "1_dog/marked.jpg", "jpeg", PROHIBITED)
    with pytest.raises(InputError, match=r"marked\.jpg is marked"):
        read_dataset(tmp_path, reg=True)
    save(tmp_path / "1_dog/free.jpg", "jpeg", NEAR_MISSES["allowed"])
    found = read_dataset(tmp_path, reg=True)
    assert [picture.path.name for picture in found.pictures] == ["free.jpg"]
    (warning,) = found.warnings
    assert warning.startswith(
        "1_dog/marked.jpg is marked 'no AI training' and is left out: XMP DataMining: AI training prohibited"
    )
