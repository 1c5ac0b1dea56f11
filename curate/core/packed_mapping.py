"""Packed mapping: values by name in little memory, in the order in which they were given."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from curate.core.name_numbers import NameNumbers
from curate.core.packed import Packed

T = TypeVar("T")
U = TypeVar("U")


class PackedMapping(Mapping[str, T]):
    """Values that pickle, by name. Each is made anew when it is read, quickly if that is nearly in order."""

    def __init__(self, names: Iterable[str] = (), values: Packed[T] | None = None) -> None:
        """The names, each once, and as many values."""
        found = array("q")
        self._names: Packed[str] = Packed(_noting(names, found))
        self._values: Packed[T] = Packed() if values is None else values
        self._numbers = NameNumbers(found)

    def with_values(self, values: Packed[U]) -> PackedMapping[U]:
        """Other values, as many, by the same names; these are kept once."""
        result = PackedMapping[U]()
        result._names, result._numbers, result._values = self._names, self._numbers, values
        return result

    def number(self, name: str) -> int | None:
        """The place of a name, None without it."""
        return self._numbers.get(name)

    def at(self, number: int) -> T:
        """The value at a place."""
        return self._values[number]

    def replace(self, values: Mapping[int, T]) -> None:
        """Puts other values at some places."""
        self._values.replace(values)

    def each(self) -> Iterator[T]:
        """The values in order."""
        return iter(self._values)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a name, `default` without it."""
        number = self._numbers.get(name)
        return default if number is None else self._values[number]

    def __getitem__(self, name: str) -> T:
        number = self._numbers.get(name)
        if number is None:
            raise KeyError(name)
        return self._values[number]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._numbers.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _noting(names: Iterable[str], hashes: array[int]) -> Iterator[str]:
    """The names; their hashes are added to `hashes`."""
    for name in names:
        hashes.append(hash(name))
        yield name
