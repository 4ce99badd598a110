"""A code generator for Avro encoders: straight-line code for one schema, without walking it.

``compile_encoder`` generates a Python function for a schema and compiles it. The function reads a
record's fields as attributes, maps as dictionaries and times as milliseconds. It raises for values
that it does not cover (text of over 2,047 bytes, or a value of another type). The caller then
encodes the record with fastavro, which produces the same bytes (enforced by a property test).

Maps and arrays are written as one block, as fastavro writes them (Avro specification 1.12,
"Complex types, binary encoding").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
Encoder = Callable[[Any], bytes]

_TABLE = 2_048


class NotCoveredError(Exception):
    """The compiled encoder does not cover this schema."""


def compile_encoder(schema: Schema, header: bytes) -> Encoder:
    """Return a function that encodes an object with the schema's fields: header, then datum.

    The function raises ``LookupError``, ``TypeError``, ``AttributeError`` or ``ValueError`` for a
    record that it does not cover. Use fastavro for such a record.

    Raises:
        NotCoveredError: the schema uses a type that audit events do not have.
    """
    writer = _Writer()
    pieces = writer.record(schema, "r")
    source = "\n".join(
        [
            *writer.functions,
            "def encode(r):",
            *(f"    {line}" for line in writer.take_lines()),
            f"    return join((HEADER, {', '.join(pieces)}))",
        ]
    )
    space: dict[str, Any] = {
        "HEADER": header,
        "V": [long(n) for n in range(_TABLE)],
        "join": b"".join,
        "long": long,
    }
    exec(compile(source, "<avro encoder>", "exec"), space)  # noqa: S102 - generated from our schema
    encoder: Encoder = space["encode"]
    return encoder


def long(value: int) -> bytes:
    """Encode a non-negative long in Avro's variable-length zig-zag encoding."""
    if value < 0:
        raise ValueError("negative")
    value <<= 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Writer:
    """Generates the source: statements that create byte strings, and their names in order."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self._lines: list[str] = []
        self._named: dict[str, str] = {}
        self._count = 0

    def take_lines(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines

    def record(self, schema: Schema, source: str) -> list[str]:
        return [
            piece
            for field in schema["fields"]
            for piece in self.value(field["type"], f"{source}.{field['name']}")
        ]

    def value(self, schema: Any, source: str) -> list[str]:
        """The expressions for the encoded pieces of the value of the expression ``source``."""
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(schema, list):
            return self._union(schema, source)
        if kind == "string":
            text = self._name()
            self._lines.append(f"{text} = {source}.encode()")
            return [f"V[len({text})]", text]
        if kind == "long" and schema["logicalType"] == "timestamp-millis":
            return [f"long({source})"]
        if kind == "array":
            return self._block(source, self._item(schema["items"]))
        if kind == "map" and schema["values"] == "string":
            self._text_pair()
            return self._block(source, "text_pair", ".items()")
        return [f"{self._item(schema)}({source})"]

    def _union(self, schema: list[Any], source: str) -> list[str]:
        if len(schema) != 2 or schema[0] != "null":
            raise NotCoveredError(str(schema))
        item = self._item(schema[1])
        value = self._name()
        self._lines.append(f"{value} = {source}")
        return [f"(b'\\x00' if {value} is None else b'\\x02' + {item}({value}))"]

    def _block(self, source: str, item: str, items: str = "") -> list[str]:
        value = self._name()
        self._lines.append(f"{value} = {source}")
        each = f"join([{item}(x) for x in {value}{items}])"
        return [f"(b''.join((V[len({value})], {each}, b'\\x00')) if {value} else b'\\x00')"]

    def _item(self, schema: Any) -> str:
        """The name of a function that encodes one value of this type."""
        if schema == "string":
            return self._text()
        if isinstance(schema, str) and schema in self._named:
            return self._named[schema]
        if isinstance(schema, dict) and schema["type"] == "record":
            return self._function(schema)
        raise NotCoveredError(str(schema))

    def _function(self, schema: Schema) -> str:
        name = f"encode_{schema['name'].lower()}"
        self._named[schema["name"]] = name
        outer, self._lines = self._lines, []
        pieces = self.record(schema, "r")
        body = "".join(f"    {line}\n" for line in self.take_lines())
        self._lines = outer
        self.functions.append(f"def {name}(r):\n{body}    return join(({', '.join(pieces)}))")
        return name

    def _text(self) -> str:
        self._helper("def text(t):\n    b = t.encode()\n    return V[len(b)] + b")
        return "text"

    def _text_pair(self) -> None:
        self._helper(
            "def text_pair(p):\n    a = p[0].encode()\n    b = p[1].encode()\n"
            "    return join((V[len(a)], a, V[len(b)], b))",
        )

    def _helper(self, source: str) -> None:
        if source not in self.functions:
            self.functions.append(source)

    def _name(self) -> str:
        self._count += 1
        return f"v{self._count}"
