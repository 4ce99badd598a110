from datetime import UTC, datetime, timedelta

from orgtrail_deploy.local.issuer import make_sign_in_code, sign_in_folder
from orgtrail_query_service.auth.tickets import consume

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_link_works_once(tmp_path):
    code = make_sign_in_code(tmp_path, ["acme"], NOW)
    folder = sign_in_folder(tmp_path)
    assert consume(folder, code, NOW).organizations == ("acme",)
    assert consume(folder, code, NOW) is None


def test_a_link_works_for_an_hour(tmp_path):
    code = make_sign_in_code(tmp_path, ["acme"], NOW)
    assert consume(sign_in_folder(tmp_path), code, NOW + timedelta(minutes=61)) is None


def test_the_folder_holds_no_code(tmp_path):
    code = make_sign_in_code(tmp_path, ["acme"], NOW)
    kept = [p.name + p.read_text() for p in sign_in_folder(tmp_path).iterdir()]
    assert kept
    assert code not in "".join(kept)


def test_a_code_is_no_path(tmp_path):
    for code in ("../secrets", "", "x" * 5000, "a\x00b"):
        assert consume(tmp_path, code, NOW) is None
