"""The IPTC/PLUS DataMining property of an XMP packet, in every form RDF allows."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.parsers import expat

from curate.images.consent.packet import Gap

PLUS = "http://ns.useplus.org/ldf/xmp/1.0/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PROPERTY = f"{PLUS} DataMining"
_VALUE = re.compile(r"(?:.*[/#:])?(DMI-[A-Z0-9-]+)/?", re.IGNORECASE | re.DOTALL)
_LOOSE = re.compile(
    rb"DataMining[^<>]{0,400}?(DMI-PROHIBITED(?:-[A-Z]+)*)|DataMining\s*>[^<]{0,400}?(DMI-PROHIBITED(?:-[A-Z]+)*)",
    re.IGNORECASE,
)
# the longer marks first: UTF-32's begins with UTF-16's
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FIRST_CHARACTERS = tuple((name, "<".encode(name)) for _, name in _BYTE_ORDER_MARKS)


class Value(NamedTuple):
    """A `DMI-…` term in upper case, and whether the packet is well-formed there."""

    term: str
    well_formed: bool


class _DeclarationError(Exception):
    """A document type declaration: XMP has none, and entities are a way to blow a parser up."""


class _Properties:
    """Collects the values of DataMining while the packet is parsed."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._open: list[list[str]] = []
        self._depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        inside = ["\n", attributes.get(f"{RDF} resource", ""), "\n", attributes.get(f"{RDF} value", ""), "\n"]
        if self._open:
            self._depth += 1
            self._open[-1].extend(inside)
        elif name == _PROPERTY:
            self._open.append(inside)
        if _PROPERTY in attributes:
            self.values.append(attributes[_PROPERTY])

    def end(self, name: str) -> None:
        if self._depth:
            self._depth -= 1
            self._open[-1].append("\n")
        elif self._open and name == _PROPERTY:
            self.values.extend("".join(self._open.pop()).split())

    def text(self, data: str) -> None:
        if self._open:
            self._open[-1].append(data)

    @staticmethod
    def declaration(*_: object) -> None:
        raise _DeclarationError


def data_mining(packet: bytes) -> Iterator[Value | Gap]:
    """The values of plus:DataMining; a gap where the packet names the property and is too damaged to tell its value.

    Attribute form, element form, `rdf:resource`, `rdf:value` and containers are all read, under any prefix, in UTF-8,
    16 and 32. A value found only by pattern, in a packet that does not parse, counts as not well-formed. A packet
    without the property's name cannot hold it, however damaged: XML has no way to write a name otherwise.
    """
    if b"DataMining" not in packet.replace(b"\0", b""):
        return
    packet, encoding = _utf8(packet)
    properties = _Properties()
    damaged = not _parse(packet, encoding, properties)
    values = [Value(term, True) for term in _terms(properties.values)]
    if damaged and not any("PROHIBITED" in value.term for value in values):
        loose = [Value(g.decode().upper(), False) for m in _LOOSE.finditer(packet) for g in m.groups() if g]
        if not loose and not values:
            yield Gap("its XMP states something on data mining and is damaged there")
        values += loose
    yield from values


def _parse(packet: bytes, encoding: str | None, properties: _Properties) -> bool:
    """Whether the packet is well-formed to its end."""
    parser = expat.ParserCreate(encoding, namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = properties.start
    parser.EndElementHandler = properties.end
    parser.CharacterDataHandler = properties.text
    parser.StartDoctypeDeclHandler = properties.declaration
    try:
        parser.Parse(packet.strip(b"\0 \t\r\n"), True)
    except (expat.ExpatError, _DeclarationError, ValueError, LookupError):
        return False
    return True


def _utf8(packet: bytes) -> tuple[bytes, str | None]:
    """The packet in UTF-8 and "utf-8", where it is in UTF-16 or 32; else as it is and None: its declaration counts."""
    for mark, name in _BYTE_ORDER_MARKS:
        if packet.startswith(mark):
            return _recoded(packet[len(mark) :], name), "utf-8"
    head = packet[:256]
    # UTF-32 holds UTF-16's pattern, not the other way round
    for name, first in _FIRST_CHARACTERS:
        at = head.find(first)
        if at >= 0 and (len(first) == 4 or b"\0\0" not in packet[at : at + 8]):
            return _recoded(packet[at:], name), "utf-8"
    return packet, None


def _recoded(data: bytes, encoding: str) -> bytes:
    return data.decode(encoding, "replace").rstrip("\ufffd\0").encode()


def _terms(values: Sequence[str]) -> list[str]:
    matches = (_VALUE.fullmatch(value.strip()) for value in values)
    return [match.group(1).upper() for match in matches if match]
