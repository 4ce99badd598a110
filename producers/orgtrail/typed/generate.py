"""From a catalogue to a Python module with one typed function for each event.

A key becomes a name by writing ``_`` for what no name may hold: ``org.user.role.updated`` is
``org_user_role_updated``. What would clash gets a suffix:

- a change field named like another parameter: ``_change`` (``target_change``);
- a metadata key named like another parameter or a change field: ``_metadata``;
- an event named like something else in the module: ``_event``;
- a keyword of Python: ``_`` (``class_``).

What begins with a digit gets a prefix: ``event_``, ``change_`` or ``metadata_``.
"""

from __future__ import annotations

import builtins
import keyword
import re
import textwrap
from collections.abc import Iterable

from orgtrail_schemas.catalogue import Catalogue, EventType
from orgtrail_schemas.rules import EVENT_KEY

_WIDTH = 100
_IMPORTED = (
    "REPLACED",
    "UNCHANGED",
    "Actor",
    "AuditProducer",
    "Change",
    "Changed",
    "Changes",
    "Context",
    "EventId",
    "OnDelivery",
    "OrgIds",
    "Outcome",
    "Target",
    "Targets",
    "Text",
    "custom",
    "send",
)
_TYPED = frozenset(_IMPORTED) - {"REPLACED", "Change", "Target", "custom"}
_EXPORTED = ("REPLACED", "UNCHANGED", "Actor", "Change", "Context", "Target", "custom")

_BEFORE = {"org_id": "OrgIds = None", "actor": "Actor | None = None"}
_AFTER = {
    "outcome": 'Outcome = "success"',
    "impersonator": "Actor | None = None",
    "context": "Context | None = None",
    "event_id": "EventId = None",
    "occurred_at": "datetime | None = None",
    "traceparent": "str | None = None",
    "on_delivery": "OnDelivery | None = None",
}
_FIXED = frozenset((*_BEFORE, *_AFTER, "target", "changes", "producer"))
_TAKEN = frozenset((*_IMPORTED, "annotations", "datetime"))

_HEADING = '''"""Typed events: one function for each event of the catalogue.

Made by {made_by} from the catalogue; do not edit.

    from {module} import Target, {example}

Beside what its docstring lists, every function takes:

    org_id        the organization, or several; by default that of the scope
    actor         who acted; by default that of the scope
    outcome       success, failure or denied
    impersonator  who was really at the keyboard
    context       where it came from; by default that of the scope
    event_id      a UUIDv7, to emit the same event again
    occurred_at   when it happened; by default the time of the event_id
    traceparent   the W3C trace context
    on_delivery   is told what became of the event
    producer      the AuditProducer that sends it; by default the one of the process

and returns the event's id. It raises what ``AuditProducer.emit`` raises.
"""

# ruff: noqa: D417 (the arguments that all functions share are explained once, above)

from __future__ import annotations

from datetime import datetime

'''


def events_module(
    catalogue: Catalogue,
    *,
    own: bool = False,
    module: str = "orgtrail.events",
    made_by: str = "`make docs`",
) -> str:
    """The text of the module. The same catalogue always gives the same text.

    Args:
        catalogue: The events.
        own: Include the types that Orgtrail records itself.
        module: What its docstring calls the module.
        made_by: What its docstring says that it was made by.

    Raises:
        ValueError: two events, or two fields of one event, would have the same name.
    """
    events = [event for event in catalogue.events.values() if own or not event.own]
    if not events:
        raise ValueError("the catalogue has no events")
    functions = _names("events", [event.key for event in events], "event", _TAKEN)
    body = "".join(_function(functions[event.key], event) for event in events)
    used = [n for n in _IMPORTED if n not in _TYPED or re.search(rf"\b{n}\b", body)]
    exported = sorted({*_EXPORTED, *functions.values()} & {*used, *functions.values()}, key=_isort)
    return (
        _HEADING.format(made_by=made_by, module=module, example=next(iter(functions.values())))
        + _block("from orgtrail.typed.calls import (", sorted(used, key=_isort), ")")
        + "\n"
        + _block("__all__ = [", [_literal(name) for name in exported], "]")
        + body
    )


def _function(name: str, event: EventType) -> str:
    fields = _names(event.key, event.changes, "change", _FIXED)
    keys = _names(event.key, event.metadata, "metadata", _FIXED | set(fields.values()))
    target = "Targets | None = None" if event.about_actor else "Targets"
    lines = ["", "", f"def {name}(", "    *,"]
    lines += [f"    {parameter}: {kind}," for parameter, kind in _BEFORE.items()]
    lines.append(f"    target: {target},")
    lines += [_parameter(name, "Changed = UNCHANGED") for name in fields.values()]
    if fields:
        lines.append("    changes: Changes | None = None,")
    lines += [_parameter(name, "Text = None") for name in keys.values()]
    lines += [f"    {parameter}: {kind}," for parameter, kind in _AFTER.items()]
    lines += ["    producer: AuditProducer | None = None,", ") -> str:"]
    lines += _docstring(event, fields, keys)
    lines += ["    return send(", f"        {_literal(event.key)},", "        producer,"]
    lines.append(f"        kind={_literal(event.target)},")
    if event.about_actor:
        lines.append("        about_actor=True,")
    lines.append("        target=target,")
    for argument, given in (("fields", fields), ("metadata", keys)):
        if given:
            lines.append(f"        {argument}={{")
            lines += [f"            {_literal(name)}: {value}," for name, value in given.items()]
            lines.append("        },")
    if fields:
        lines.append("        changes=changes,")
    lines += [f"        {name}={name}," for name in (*_BEFORE, *_AFTER)]
    lines.append("    )")
    return "\n".join(lines) + "\n"


def _parameter(name: str, kind: str) -> str:
    shadows = "  # noqa: A002" if hasattr(builtins, name) else ""
    return f"    {name}: {kind},{shadows}"


def _docstring(event: EventType, fields: dict[str, str], keys: dict[str, str]) -> list[str]:
    description = _prose(event.description)
    lines = [f'    """{description}']
    if len(lines[0]) > _WIDTH:
        lines = [f'    """{_prose(event.name).rstrip(".")}.', "", *_wrap(description, "    ")]
    actor = "; by default the actor" if event.about_actor else ""
    lines += ["", "    Args:"]
    lines += _argument("target", f"The {_prose(event.target)}, or several{actor}.")
    for field, parameter in fields.items():
        values = f"he old and the new {_prose(field)}"
        if event.changes[field] == "secret":
            lines += _argument(parameter, f"``REPLACED``, or t{values}; neither is stored.")
        else:
            lines += _argument(parameter, f"T{values}.")
    if fields:
        lines += _argument("changes", "What ``diff`` found.")
    for key, parameter in keys.items():
        secret = ", which is never stored" if event.metadata[key] == "secret" else ""
        lines += _argument(parameter, f"The metadata {_prose(key)}{secret}.")
    return [*lines, '    """']


def _argument(name: str, text: str) -> list[str]:
    first, *rest = textwrap.wrap(
        text, _WIDTH - 12, initial_indent=f"        {name}: ", break_long_words=False
    )
    return [first, *(f"            {line}" for line in rest)]


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )


def _names(where: str, keys: Iterable[str], role: str, taken: frozenset[str]) -> dict[str, str]:
    """The Python name of each key."""
    names: dict[str, str] = {}
    for key in keys:
        if role == "event" and not EVENT_KEY.fullmatch(key):
            raise ValueError(f"{key} is no event key; it must look like user.login, in lower case")
        name = re.sub(r"\W", "_", key).lstrip("_") or role
        if not name.isidentifier():
            name = f"{role}_{name}"
        if keyword.iskeyword(name):
            name += "_"
        if name in taken:
            name = f"{name}_{role}"
        other = next((k for k, given in names.items() if given == name), None)
        if other is not None:
            raise ValueError(f"{where}: {other} and {key} would both be called {name}")
        names[key] = name
    return names


def _block(opening: str, items: Iterable[str], closing: str) -> str:
    return "\n".join([opening, *(f"    {item}," for item in items), closing]) + "\n"


def _isort(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, as import sorters order them."""
    bare = name.strip('"')
    return (0 if bare.isupper() else 1 if bare[:1].isupper() else 2), bare


def _prose(text: str) -> str:
    """Text that cannot end the docstring it stands in."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.replace("\\", "/").replace('"""', "'''").split())


def _literal(text: str) -> str:
    quoted = repr(text)
    if quoted.startswith("'") and '"' not in quoted:
        return f'"{quoted[1:-1]}"'
    return quoted
