import pytest

from orgtrail_schemas.catalogue import Catalogue, EventType, catalogue, examples, level_of


@pytest.mark.parametrize(
    ("event", "level"),
    [
        ("user.login", "user"),
        ("org.user.deleted", "organization"),
        ("billing.invoice.paid", "other"),
        ("username.changed", "other"),
        ("organization.renamed", "other"),
    ],
)
def test_level_follows_the_prefix(event, level):
    assert level_of(event) == level


def test_every_type_has_an_example_and_every_example_a_type():
    assert set(examples()) == set(catalogue().events)
    assert all(example["event"] == key for key, example in examples().items())


@pytest.mark.parametrize("key", catalogue().events)
def test_an_example_shows_what_its_entry_declares(key):
    entry, example = catalogue().events[key], examples()[key]
    assert {c["field"] for c in example.get("changes", [])} == set(entry.changes)
    assert set(example.get("metadata", {})) <= set(entry.metadata)
    if not entry.about_actor:
        assert {t["type"] for t in example["targets"]} == {entry.target}


@pytest.mark.parametrize(
    ("event", "field", "sensitivity"),
    [
        ("org.user.role.updated", "role", "public"),
        ("org.user.role.updated", "password", "secret"),
        ("org.user.role.updated", "favourite_colour", "personal"),
        ("shop.order.placed", "favourite_colour", "secret"),
        ("shop.order.placed", "token", "secret"),
        ("user.profile.updated", "name", "personal"),
    ],
)
def test_sensitivity_is_by_exact_name_and_denies_first(event, field, sensitivity):
    assert catalogue().change_sensitivity(event, field) == sensitivity


def test_an_event_cannot_declare_a_secret_public():
    event = EventType(
        key="a.b", name="A", description="", target="user", changes={"token": "public"}
    )
    assert Catalogue([event], {"token": "secret"}).change_sensitivity("a.b", "token") == "secret"


def test_two_entries_cannot_share_a_name():
    one = EventType(key="a.b", name="A", description="", target="user")
    with pytest.raises(ValueError, match="share"):
        Catalogue([one, EventType(key="a.c", name="A", description="", target="user")], {})


def test_an_unlisted_event_is_shown_by_its_key():
    assert catalogue().name_of("shop.order.placed") == "shop.order.placed"
    assert "shop.order.placed" not in catalogue().events
