"""Adds parameters and problems to the API's generated description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    Schema,
    SecurityScheme,
    Server,
)
from litestar.openapi.spec.enums import OpenAPIFormat

from orgtrail_query_service.problems import ProblemBody
from orgtrail_query_service.reads.export_formats import FORMATS
from orgtrail_query_service.reads.feed import ORDER, RECEIVED_SINCE
from orgtrail_query_service.reads.filters import FILTERS, Filter
from orgtrail_query_service.reads.people import MAX_PREFIX
from orgtrail_query_service.reads.search import MAX_LENGTH, MAX_LIMIT
from orgtrail_schemas.limits import RETENTION_DAYS

_TEXT = OpenAPIType.STRING


def _problem(description: str) -> ResponseSpec:
    return ResponseSpec(
        ProblemBody,
        generate_examples=False,
        description=description,
        media_type="application/problem+json",
    )


PROBLEMS = {
    400: _problem("A parameter is unknown, or its value cannot be used."),
    401: _problem("There is no token, or it is not valid."),
    404: _problem("It does not exist, or you may not read its organization's log."),
    422: _problem("The query reached its limit of time or memory."),
    429: _problem("Too many requests; Retry-After says when to try again."),
    503: _problem("The database, Kafka or the identity provider does not answer; see Retry-After."),
}

PROBLEMS_OF_EXPORT = PROBLEMS | {
    406: _problem("None of the formats in the Accept header is available.")
}


def description(prefix: str) -> OpenAPIConfig:
    """What ``/schema`` says of the API, below a path prefix."""
    return OpenAPIConfig(
        title="Orgtrail",
        version="1",
        description="The audit log of an organization, for its administrators and auditors.",
        path="/schema",
        servers=[Server(url=prefix or "/")],
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
            }
        ),
        security=[{"bearer": []}],
    )


def _query(name: str, sentence: str, schema: Schema, example: object = None) -> Parameter:
    return Parameter(
        name=name,
        param_in="query",
        description=sentence,
        schema=schema,
        # An empty value counts as not given, because HTML forms send those.
        allow_empty_value=schema.type != OpenAPIType.ARRAY,
        example=example,
    )


def _of_filter(filter_: Filter) -> Parameter:
    value = Schema(type=_TEXT, max_length=MAX_LENGTH)
    if filter_.choices:
        # An empty value counts as not given.
        value = Schema(type=_TEXT, enum=["", *filter_.choices])
    if filter_.repeatable:
        schema = Schema(type=OpenAPIType.ARRAY, items=value, max_items=filter_.most)
        return _query(filter_.name, filter_.sentence, schema, [filter_.example])
    return _query(filter_.name, filter_.sentence, value, filter_.example)


def _instant(name: str, sentence: str, example: str) -> Parameter:
    return _query(name, sentence, Schema(type=_TEXT, max_length=MAX_LENGTH), example)


SEARCH = [
    *map(_of_filter, FILTERS),
    _instant("since", "from this time on (RFC 3339 with offset);"
             f" {RETENTION_DAYS} days ago at the earliest", "2026-11-22T09:00:00Z"),
    _instant("until", "before this time (RFC 3339 with offset)", "2026-11-23T09:00:00Z"),
]  # fmt: skip
PAGING = [
    _query("order", "newest (the default) or oldest first; received: a feed in the order of"
           " receipt, with received_since in place of since and until",
           Schema(type=_TEXT, enum=["newest", "oldest", ORDER]), "newest"),
    _query("limit", "the number of events per page",
           Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=MAX_LIMIT, default=50), 50),
    _query("cursor", "next_cursor of the previous page; send all other parameters unchanged",
           Schema(type=_TEXT, max_length=MAX_LENGTH)),
    _instant(RECEIVED_SINCE, "for order=received: what was received from this time on (RFC 3339"
             " with offset); everything that is kept if it is not given", "2026-11-22T09:00:00Z"),
]  # fmt: skip
BOM = _query(
    "bom", "whether a CSV starts with a byte order mark, which Excel needs",
    Schema(type=_TEXT, enum=["true", "false"]), "true",
)  # fmt: skip
PREFIX = _query(
    "prefix", "a prefix of an email, an ID or a word of a name",
    Schema(type=_TEXT, max_length=MAX_PREFIX), "bob",
)  # fmt: skip
OCCURRED_AT = _instant(
    "occurred_at", "when the event occurred, to the millisecond; needed only where a sender used an"
    " ID twice, and without it the event received first is returned", "2026-11-23T09:00:00.000Z",
)  # fmt: skip


@dataclass
class _Described(Operation):
    """An operation with query parameters."""

    def _add(self, *parameters: Sequence[Parameter]) -> None:
        self.parameters = [*(self.parameters or []), *(p for some in parameters for p in some)]


@dataclass
class ListOperation(_Described):
    """A list of events."""

    def __post_init__(self) -> None:
        self._add(SEARCH, PAGING)


@dataclass
class SummaryOperation(_Described):
    """Counts of a search."""

    def __post_init__(self) -> None:
        self._add(SEARCH)


@dataclass
class SetAsideOperation(_Described):
    """Records that could not be stored."""

    def __post_init__(self) -> None:
        self._add([p for p in SEARCH if p.name == "since"])


@dataclass
class PeopleOperation(_Described):
    """People by prefix."""

    def __post_init__(self) -> None:
        self._add([PREFIX])


@dataclass
class EventOperation(_Described):
    """One event by its key."""

    def __post_init__(self) -> None:
        self._add([OCCURRED_AT])


@dataclass
class ExportOperation(_Described):
    """An export: its formats and headers."""

    def __post_init__(self) -> None:
        files = [f for f in FORMATS.values() if self.operation_id == f"export_{f.suffix}"]
        other = files and not files[0].takes_bom
        self._add(SEARCH, [] if other else [BOM])
        text, binary = Schema(type=_TEXT), Schema(type=_TEXT, format=OpenAPIFormat.BINARY)
        self.responses = {
            **(self.responses or {}),
            "200": OpenAPIResponse(
                description="The file, streamed.",
                headers={
                    "Content-Disposition": OpenAPIHeader(schema=text, required=True),
                    "Orgtrail-Settled-Through": OpenAPIHeader(
                        schema=text,
                        required=True,
                        description="Everything received before this time is in the"
                        " file or counted as set aside.",
                    ),
                    "Orgtrail-Set-Aside": OpenAPIHeader(
                        schema=Schema(type=OpenAPIType.INTEGER),
                        required=True,
                        description="Records received since the range began that could not be"
                        " stored.",
                    ),
                },
                content={
                    f.media_type: OpenAPIMediaType(schema=binary if f.binary else text)
                    for f in files or FORMATS.values()
                },
            ),
        }
