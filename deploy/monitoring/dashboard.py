"""Makes ``dashboard.json``, which Grafana imports, from the panels below (``make docs``)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard as built
from grafana_foundation_sdk.builders import prometheus, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef

FILE = Path(__file__).with_name("dashboard.json")
_SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
_WIDTH, _HEIGHT = 8, 8


class Panel(NamedTuple):
    """A graph. ``queries`` holds PromQL by the legend of its lines; units are Grafana's."""

    title: str
    unit: str
    queries: dict[str, str]
    about: str = ""


def _rate(metric: str, by: str = "") -> str:
    return f"sum{f' by ({by}) ' if by else ''}(rate({metric}[5m]))"


def _quantile(share: float, histogram: str) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({histogram}_bucket[5m])))"


_FRESH = "orgtrail_consumer_freshness_seconds"
_DURATION = "orgtrail_query_request_duration_seconds"

ROWS: dict[str, list[Panel]] = {
    "What readers see": [
        Panel(
            "Time until an event can be read",
            "s",
            {"median": _quantile(0.5, _FRESH), "99th percentile": _quantile(0.99, _FRESH)},
            "From Kafka's receipt of a batch's oldest record until its rows can be read.",
        ),
        Panel(
            "Age of the newest complete second",
            "s",
            {"age": "time() - min(orgtrail_consumer_settled_through_timestamp_seconds)"},
            "Readers are told that everything received before is there.",
        ),
        Panel(
            "Requests by status",
            "reqps",
            {"{{status_code}}": _rate("orgtrail_query_requests_total", "status_code")},
        ),
        Panel(
            "Time to answer",
            "s",
            {"median": _quantile(0.5, _DURATION), "99th percentile": _quantile(0.99, _DURATION)},
        ),
        Panel(
            "Requests being answered",
            "short",
            {"requests": "sum(orgtrail_query_requests_in_progress)"},
        ),
    ],
    "The consumers": [
        Panel("Events stored", "eps", {"events": _rate("orgtrail_consumer_events_total")}),
        Panel(
            "Records waiting in Kafka",
            "short",
            {"partition {{partition}}": "sum by (partition) (orgtrail_consumer_lag_records)"},
        ),
        Panel(
            "Records that could not be stored",
            "eps",
            {"{{reason}}": _rate("orgtrail_consumer_dead_letters_total", "reason")},
        ),
        Panel(
            "Failed attempts",
            "eps",
            {"{{error}}": _rate("orgtrail_consumer_failures_total", "error")},
            "A step is tried again until it succeeds.",
        ),
        Panel(
            "Failed insertions",
            "eps",
            {"shard {{shard}}": _rate("orgtrail_consumer_shard_failures_total", "shard")},
            "By shard of ClickHouse; a single server is shard 1.",
        ),
        Panel(
            "Time in each step",
            "percentunit",
            {"{{step}}": _rate("orgtrail_consumer_step_seconds_sum", "step")},
            "1 is one second per second, over all workers.",
        ),
        Panel(
            "Records in a batch",
            "short",
            {
                "mean": "sum(rate(orgtrail_consumer_batch_records_sum[5m]))"
                " / sum(rate(orgtrail_consumer_batch_records_count[5m]))"
            },
            "Small while fresh, large while there is a backlog.",
        ),
    ],
    "The services that emit": [
        Panel(
            "Events",
            "eps",
            {
                "accepted": _rate("orgtrail_producer_events_accepted_total"),
                "acknowledged": _rate("orgtrail_producer_events_acknowledged_total"),
                "set aside": _rate("orgtrail_producer_events_set_aside_total"),
                "lost": _rate("orgtrail_producer_events_lost_total"),
            },
        ),
        Panel(
            "Events waiting to be delivered",
            "short",
            {"{{job}}": "sum by (job) (orgtrail_producer_events_waiting)"},
        ),
        Panel(
            "Age of the oldest waiting event",
            "s",
            {"{{job}}": "max by (job) (orgtrail_producer_oldest_waiting_seconds)"},
        ),
    ],
    "ClickHouse": [
        Panel("Rows inserted", "rowsps", {"rows": _rate("ClickHouseProfileEvents_InsertedRows")}),
        Panel(
            "Rows merged",
            "rowsps",
            {"rows": _rate("ClickHouseProfileEvents_MergedRows")},
        ),
        Panel("Active parts", "short", {"parts": "sum(ClickHouseMetrics_PartsActive)"}),
        Panel(
            "Disk",
            "bytes",
            {
                "{{disk}}, free": "sum by (disk) (ClickHouseAsyncMetrics_DiskUnreserved)",
                "{{disk}}, used": "sum by (disk) (ClickHouseAsyncMetrics_DiskUsed)",
            },
        ),
        Panel("Memory", "bytes", {"memory": "sum(ClickHouseMetrics_MemoryTracking)"}),
        Panel("Queries running", "short", {"queries": "sum(ClickHouseMetrics_Query)"}),
    ],
}


def dashboard_json() -> str:
    """The dashboard as Grafana's JSON."""
    board = (
        built.Dashboard("Orgtrail")
        .uid("orgtrail")
        .tags(["orgtrail"])
        .timezone("utc")
        .refresh("30s")
        .time("now-6h", "now")
        .with_variable(built.DatasourceVariable("source").type("prometheus").label("Prometheus"))
    )
    number = 0
    for title, panels in ROWS.items():
        board = board.with_row(built.Row(title))
        for panel in panels:
            number += 1
            board = board.with_panel(_graph(panel).id(number))
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"


def _graph(panel: Panel) -> timeseries.Panel:
    graph = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.about)
        .unit(panel.unit)
        .min(0)
        .datasource(_SOURCE)
        .legend(VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM))
        .span(_WIDTH)
        .height(_HEIGHT)
    )
    for name, (legend, query) in zip("ABCD", panel.queries.items(), strict=False):
        asked = prometheus.Dataquery().ref_id(name).expr(query).legend_format(legend)
        graph = graph.with_target(asked)
    return graph


if __name__ == "__main__":
    FILE.write_text(dashboard_json(), "utf-8")
