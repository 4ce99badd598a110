"""Django's models, beside what test_changes.py says of the others: no database is needed."""

import subprocess
import sys

import pytest

from orgtrail import InvalidEventError
from orgtrail.changes import diff, snapshot
from orgtrail.changes.fields import fields_of


@pytest.fixture(scope="module")
def models():
    import django
    from django.apps import apps
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    if not apps.ready:
        django.setup()
    from django.db import models

    class Team(models.Model):
        name = models.CharField(max_length=9)

        class Meta:
            app_label = "orgtrail_fields"

    class Member(models.Model):
        name = models.CharField(max_length=9)
        team = models.ForeignKey(Team, on_delete=models.CASCADE)
        settings = models.JSONField(default=dict)
        logins = models.IntegerField(default=0)
        avatar = models.FileField()

        class Meta:
            app_label = "orgtrail_fields"

    return Team, Member


def pairs(changes):
    return {change.field: (change.old, change.new) for change in changes}


def test_concrete_fields_by_attname(models):
    _team, member = models
    bob = member(id=1, name="Bob", team_id=7, settings={"a": [1]}, avatar="a.png")
    before = snapshot(bob)
    assert list(before) == ["id", "name", "team_id", "settings", "logins", "avatar"]
    bob.team_id, bob.avatar = 8, "b.png"
    bob.settings["a"].append(2)
    assert pairs(diff(before, bob)) == {
        "team_id": ("7", "8"),
        "settings": ('{"a": [1]}', '{"a": [1, 2]}'),
        "avatar": ("a.png", "b.png"),
    }


def test_deferred_fields_are_not_loaded_and_not_compared(models):
    _team, member = models
    # There is no database: loading anything would fail.
    bob = member.from_db("default", ["id", "name"], [1, "Bob"])
    before = snapshot(bob)
    assert set(before) == {"id", "name"}
    whole = member(id=1, name="Rob", team_id=7)
    assert pairs(diff(before, whole)) == {"name": ("Bob", "Rob")}
    assert pairs(diff(whole, bob)) == {"name": ("Rob", "Bob")}
    assert bob.get_deferred_fields() == {"team_id", "settings", "logins", "avatar"}
    assert diff(before, whole, only=["team_id"]) == []


def test_an_expression_is_refused(models):
    from django.db.models import F

    _team, member = models
    with pytest.raises(InvalidEventError, match="logins: is a database expression"):
        diff(None, member(logins=F("logins") + 1))


def test_a_related_object_within_a_mapping_is_its_key(models):
    team, _member = models
    assert pairs(diff({"team": team(pk=1, name="a")}, {"team": team(pk=2, name="a")})) == {
        "team": ("1", "2")
    }


def test_no_library_is_imported():
    code = """
import sys, dataclasses
from orgtrail.changes.fields import fields_of
print(fields_of("x", {"a": 1}).values)
print([m for m in ("django", "pydantic", "attr", "attrs") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "{'a': 1}\n[]\n"


def test_none_has_no_fields():
    assert fields_of("x", None).values == {}
