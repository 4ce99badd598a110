"""What filters find in stored events: text wherever it is, and several values at once."""

import pytest

from orgtrail import Actor, Change, Context, Target

ORG = "filters"


@pytest.fixture(scope="module")
def stored(running):
    """Three events of three people, by their names."""
    made = {}
    with running.producer() as producer:
        for number, (name, ip) in enumerate(
            {"ann": "80.67.169.12", "bob": "8.8.8.8", "cid": "198.51.100.7"}.items()
        ):
            made[name] = producer.emit(
                "org.user.role.updated",
                org_id=ORG,
                actor=Actor(id=f"id-of-{name}", email=f"{name}@x.example"),
                targets=[Target(type="user", id=f"target-of-{name}")],
                changes=[Change(field="role", old=f"Old{number}", new=f"New{number}")],
                context=Context(
                    ip=ip, request_id=f"request-of-{name}", session_id=f"ses-of-{name}"
                ),
                metadata={"ticket": f"Ticket {number}", "key": "same"},
            )
    running.wait_for(ORG, 3)
    return made


def found(running, **parameters):
    return {e["event_id"] for e in running.events(ORG, **parameters, event="org.user.role.updated")}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ID-OF-ANN", {"ann"}),
        ("target-of-bob", {"bob"}),
        ("request-of-cid", {"cid"}),
        ("ses-of-ann", {"ann"}),
        ("old1", {"bob"}),
        ("NEW2", {"cid"}),
        ("ticket 0", {"ann"}),
        ("198.51", {"cid"}),
        ("@x.example", {"ann", "bob", "cid"}),
        ("role.updated", {"ann", "bob", "cid"}),
        ("same", {"ann", "bob", "cid"}),
        ("nowhere", set()),
    ],
)
def test_text_is_found_wherever_it_is(running, stored, text, names):
    assert found(running, q=text) == {stored[name] for name in names}


@pytest.mark.parametrize(
    ("name", "values", "names"),
    [
        ("user", ["ANN@x.example", "target-of-bob"], {"ann", "bob"}),
        ("actor", ["id-of-ann", "id-of-cid", "nobody"], {"ann", "cid"}),
        ("target", ["target-of-ann", "target-of-cid"], {"ann", "cid"}),
        ("ip", ["8.8.8.8", "198.51.100.0/24"], {"bob", "cid"}),
        ("country", ["FR", "us"], {"ann", "bob"}),
    ],
)
def test_one_of_several_values_is_enough(running, stored, name, values, names):
    wanted = {stored[who] for who in names}
    assert found(running, **{name: values}) == wanted
    # Also with a second filter, where the index over pairs is used.
    assert found(running, **{name: values}, outcome="success") == wanted
