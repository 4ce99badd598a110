"""The metrics as they are documented: described once, counted from the start, without event data."""

from prometheus_client import Counter, Gauge, Histogram

from orgtrail_consumers import metrics
from orgtrail_schemas.reasons import REASONS

FAMILIES = {family.name: family for family in metrics.families()}


def test_every_metric_of_the_module_is_described_once():
    declared = [m for m in vars(metrics).values() if isinstance(m, Counter | Gauge | Histogram)]
    assert len(list(metrics.families())) == len(declared) == len(FAMILIES)
    assert {
        "orgtrail_consumer_events",
        "orgtrail_consumer_lost_offsets",
        "orgtrail_consumer_lag_records",
    } <= FAMILIES.keys()


def test_every_metric_has_our_prefix_and_a_sentence():
    for name, family in FAMILIES.items():
        assert name.startswith("orgtrail_consumer_")
        assert family.documentation.endswith(".") or family.type in ("gauge", "histogram")


def test_labels_are_of_a_bounded_number_of_values():
    labels = {name for m in vars(metrics).values() for name in getattr(m, "_labelnames", ())}
    assert labels <= {"reason", "error", "partition", "shard", "step"}


def test_a_freshness_of_a_second_and_of_an_hour_are_told_apart():
    bounds = metrics.FRESHNESS._upper_bounds
    assert 1 in bounds
    assert 3600 in bounds
    assert bounds == sorted(bounds)


def test_the_first_dead_letter_is_an_increase():
    assert {reason for (reason,) in metrics.DEAD_LETTERS._metrics} >= set(REASONS)
