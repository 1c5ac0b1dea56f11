"""The IPTC/PLUS DataMining property of an XMP packet, in every form RDF allows."""

from __future__ import annotations

import re
from xml.parsers import expat

PLUS = "http://ns.useplus.org/ldf/xmp/1.0/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PROPERTY = f"{PLUS} DataMining"
_VALUE = re.compile(r"(?:.*[/#:])?(DMI-[A-Z0-9-]+)/?", re.IGNORECASE | re.DOTALL)
_LOOSE = re.compile(
    rb"DataMining[^<>]{0,400}?(DMI-PROHIBITED(?:-[A-Z]+)*)|DataMining\s*>[^<]{0,400}?(DMI-PROHIBITED(?:-[A-Z]+)*)",
    re.IGNORECASE,
)


class _DeclarationError(Exception):
    """A document type declaration: XMP has none, and entities are a way to blow a parser up."""


def data_mining(packet: bytes) -> list[tuple[str, bool]]:
    """The values of plus:DataMining as (`DMI-…` in upper case, whether the packet was well-formed there).

    Attribute form, element form, `rdf:resource`, `rdf:value` and containers are all read, under any prefix. A value
    found only by pattern, in a packet that does not parse, counts as not well-formed. Never raises.
    """
    if b"DataMining" not in packet.replace(b"\0", b""):
        return []
    values: list[str] = []
    inside: list[list[str]] = []
    depth = 0
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        if inside:
            depth += 1
            inside[-1].extend(["\n", attributes.get(f"{RDF} resource", ""), attributes.get(f"{RDF} value", ""), "\n"])
        elif name == _PROPERTY:
            inside.append([attributes.get(f"{RDF} resource", ""), attributes.get(f"{RDF} value", ""), "\n"])
        if _PROPERTY in attributes:
            values.append(attributes[_PROPERTY])

    def end(name: str) -> None:
        nonlocal depth
        if depth:
            depth -= 1
            inside[-1].append("\n")
        elif inside and name == _PROPERTY:
            values.extend("".join(inside.pop()).split())

    def text(data: str) -> None:
        if inside:
            inside[-1].append(data)

    def declared(*_: object) -> None:
        raise _DeclarationError

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = declared
    try:
        parser.Parse(packet.strip(b"\0 \t\r\n"), True)
    except (expat.ExpatError, _DeclarationError, ValueError, LookupError):
        sound = [(name, True) for name in _names(values)]
        loose = (
            []
            if sound
            else [(g.decode("ascii").upper(), False) for m in _LOOSE.finditer(packet) for g in m.groups() if g]
        )
        return sound + loose
    return [(name, True) for name in _names(values)]


def _names(values: list[str]) -> list[str]:
    found = (_VALUE.fullmatch(value.strip()) for value in values)
    return [match.group(1).upper() for match in found if match]
