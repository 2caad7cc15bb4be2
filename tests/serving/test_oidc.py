"""Signing in by a school's own provider: a real one over HTTP, that lies where it is told to."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pyotp
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from oidc_provider import CLIENT, SECRET, started
from postgres import BOTH, migrated_database
from review_school import School
from sqlalchemy import Engine, select
from test_access import records, the_school

from features.problems import Refused, Unavailable
from serving.cases import people, sessions, trail
from serving.cases.database import open_database
from serving.cases.oidc import (
    AWAY_FOR,
    KEPT_FOR,
    SECRET_VARIABLE,
    OidcSettings,
    Proved,
    Provider,
    Remembered,
    begin,
    finish,
    open_provider,
)
from serving.cases.people import Account, Role
from serving.cases.schema import TRAIL
from serving.review import oidc as review
from serving.review.reception import SESSION

HERE = "http://localhost:3000"
RUTH = "ruth.okoro@lincoln.example"
MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 11, 16, 7, 40, tzinfo=UTC)

SETTINGS = OidcSettings(
    issuer="https://sign-in.lincoln.example", client_id=CLIENT, address=HERE, second_factor_amr=("mfa",)
)


def made(settings: OidcSettings = SETTINGS) -> Provider:
    provider = open_provider(settings, {SECRET_VARIABLE: SECRET})
    assert provider is not None
    return provider


# -- settings -------------------------------------------------------------------------------------------------------


def test_without_an_issuer_nobody_signs_in_by_a_provider() -> None:
    assert open_provider(OidcSettings(), {}) is None


def test_settings_are_read_as_they_stand_in_the_file_and_refused_all_at_once() -> None:
    given = {"issuer": "https://x.example", "domains": ["lincoln.example"]}
    read = OidcSettings.from_mapping(given)
    assert read == OidcSettings(issuer="https://x.example", domains=("lincoln.example",))
    assert OidcSettings.from_mapping(json.loads(json.dumps(asdict(read)))) == read
    with pytest.raises(Refused) as refused:
        OidcSettings.from_mapping({"client_secret": "x", "issuer": 7, "scopes": "openid", "domains": [7]})
    assert [one.where for one in refused.value.problems] == [
        "oidc.client_secret", "oidc.issuer", "oidc.scopes", "oidc.domains",
    ]  # fmt: skip


def test_everything_that_is_wrong_in_the_settings_is_told_at_once_and_no_secret_is() -> None:
    wrong = OidcSettings(issuer="http://sign-in.example", address="homeroom.example", login_claim="", scopes=("email",))
    with pytest.raises(Refused) as refused:
        open_provider(wrong, {})
    assert [one.where for one in refused.value.problems] == [
        "oidc.client_secret_file", "oidc.issuer", "oidc.address", "oidc.client_id", "oidc.login_claim", "oidc.scopes",
    ]  # fmt: skip
    assert SECRET not in repr(made())


def test_the_secret_stands_in_a_file_or_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    provider = open_provider(replace(SETTINGS, client_secret_file=str(file)), {SECRET_VARIABLE: "another"})
    assert provider is not None
    assert provider.secret == SECRET
    with pytest.raises(Refused, match="cannot be read"):
        open_provider(replace(SETTINGS, client_secret_file=str(tmp_path / "none")), {SECRET_VARIABLE: SECRET})


@pytest.mark.parametrize("address", ["https://sign-in.example", "http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:1"])
def test_what_is_encrypted_or_stays_on_the_machine_is_trusted(address: str) -> None:
    assert made(replace(SETTINGS, issuer=address)).settings.issuer == address


@pytest.mark.parametrize(
    "address", ["http://sign-in.example", "http://localhost.example", "ftp://x", "https://", "//x", "http://[", "example"]
)
def test_nothing_else_is(address: str) -> None:
    with pytest.raises(Refused) as refused:
        made(replace(SETTINGS, issuer=address))
    assert [one.where for one in refused.value.problems] == ["oidc.issuer"]


# -- what is remembered -----------------------------------------------------------------------------------------------


def test_what_is_remembered_is_opened_by_whoever_has_the_secret_and_read_or_changed_by_nobody_else() -> None:
    kept = Remembered("state", "nonce", "verifier", f"{HERE}/sign-in/oidc/back", NOW.timestamp(), "/review?year=9")
    sealed = made().seal(kept)
    assert made().unseal(sealed) == kept
    assert "verifier" not in sealed
    assert len(sealed) < 1_500
    assert replace_secret(made()).unseal(sealed) is None
    for wrong in (sealed[:-2] + "AA", sealed[1:], "", "a.b.c.d.e", "x" * 3000, "\ud800"):
        assert made().unseal(wrong) is None


def replace_secret(provider: Provider) -> Provider:
    return Provider(provider.settings, "another")


def test_nothing_is_asked_of_the_provider_by_whoever_did_not_leave_or_took_too_long() -> None:
    kept = Remembered("state", "nonce", "verifier", "", NOW.timestamp())
    query = {"state": "state", "code": "c"}
    for remembered, sent, now in (
        (None, query, NOW),
        (kept, query, NOW + AWAY_FOR + MINUTE),
        (kept, query, NOW - MINUTE),
        (kept, {**query, "state": "other"}, NOW),
        (kept, {**query, "state": "\ud800"}, NOW),
        (kept, {"code": "c"}, NOW),
    ):
        with pytest.raises(Refused) as refused:
            finish(made(), remembered, sent, now)
        assert [one.code for one in refused.value.problems] == ["oidc_expired"]


# -- an account ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(people, "_HASHER", PasswordHasher.from_parameters(CHEAPEST))
    engine = open_database(migrated_database(request.param, tmp_path))
    yield engine
    engine.dispose()


def account(db: Engine, role: Role = "teacher", login: str = RUTH) -> Account:
    return people.create_account(
        db, "lincoln", login=login, name="Ruth Okoro", role=role, password="violet tram under snow", now=NOW, person_id="T-1"
    )


def enter(db: Engine, login: str = RUTH, *, second_factor: bool = False) -> sessions.SignedIn:
    token, signed_in = sessions.sign_in_by_provider(db, "lincoln", login, NOW, second_factor=second_factor)
    assert sessions.find(db, token, NOW) == signed_in
    return signed_in


def test_a_login_that_was_proved_signs_its_account_in_however_it_is_typed(db: Engine) -> None:
    made_here = account(db)
    assert enter(db, f" {RUTH.upper()}").account == made_here
    with db.connect() as connection:
        rows = connection.execute(select(TRAIL.c.action, TRAIL.c.account_id, TRAIL.c.why).order_by(TRAIL.c.number)).all()
    assert tuple(rows[-1]) == ("sign_in", made_here.id, "provider")
    assert trail.verify(db, "lincoln") is None


def test_a_provider_makes_no_account_and_opens_no_disabled_one_in_the_same_words(db: Engine) -> None:
    people.disable(db, "lincoln", account(db).id, NOW)
    account(db, login="ben@lincoln.example")
    said = []
    for tenant, login in (("lincoln", RUTH), ("lincoln", "mallory@elsewhere.example"), ("hill", "ben@lincoln.example")):
        with pytest.raises(Refused) as refused:
            sessions.sign_in_by_provider(db, tenant, login, NOW, second_factor=True)
        assert [one.code for one in refused.value.problems] == ["oidc_unknown"]
        said.append(str(refused.value))
    assert len(set(said)) == 1
    assert len(people.accounts(db, "lincoln")) == 2


def test_our_second_factor_is_asked_for_unless_one_was_passed_there(db: Engine) -> None:
    counselor = account(db, "counselor")
    assert enter(db).missing == "set_up"
    assert (enter(db, second_factor=True).missing, enter(db, second_factor=True).second_factor) == ("", True)
    totp = pyotp.TOTP(people.begin_second_factor(db, "lincoln", counselor.id, NOW).secret)
    people.confirm_second_factor(db, "lincoln", counselor.id, totp.at(NOW), NOW)
    assert enter(db).missing == "code"
    assert enter(db, second_factor=True).missing == ""


def test_wrong_passwords_of_somebody_else_keep_nobody_out_who_needs_none(db: Engine) -> None:
    account(db)
    for _ in range(people.MOST_TRIES):
        people.prove_password(db, "lincoln", RUTH, "wrong", NOW)
    assert enter(db).missing == ""


# -- a real provider ----------------------------------------------------------------------------------------------------

FULL = pytest.mark.full


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with started() as where:
        yield where


@pytest.fixture
def provider(address: str) -> Provider:
    behave(address)
    return made(replace(SETTINGS, issuer=address, second_factor_acr=()))


def behave(address: str, **how: Any) -> None:
    httpx.post(f"{address}/behave", json=how).raise_for_status()


def visit(leave: str, who: str = "ruth") -> dict[str, str]:
    """Say at the provider who one is, as a browser does, and return the query with which it sends one back."""
    page = httpx.get(leave)
    assert page.status_code == 200, page.text
    told = {name: one[0] for name, one in parse_qs(urlsplit(leave).query).items()}
    back = httpx.post(leave.partition("?")[0], data={**told, "who": who})
    assert back.status_code == 302, back.text
    assert back.headers["location"].startswith(f"{HERE}/sign-in/oidc/back?")
    return {name: one[0] for name, one in parse_qs(urlsplit(back.headers["location"]).query).items()}


def prove(provider: Provider, who: str = "ruth", later: timedelta = timedelta()) -> Proved:
    now = datetime.now(UTC)
    address, kept = begin(provider, provider.redirect_uri, now)
    return finish(provider, kept, visit(address, who), now + later)


def refused(provider: Provider, who: str = "ruth", later: timedelta = timedelta()) -> str:
    with pytest.raises(Refused) as found:
        prove(provider, who, later)
    (problem,) = found.value.problems
    return problem.code


@FULL
def test_the_provider_says_who_it_is_and_whether_a_second_factor_was_passed(provider: Provider) -> None:
    assert prove(provider) == Proved(RUTH, second_factor=False)
    assert prove(provider, "ruth with a code") == Proved(RUTH, second_factor=True)
    by_level = replace(provider.settings, second_factor_amr=(), second_factor_acr=("gold",))
    assert prove(made(by_level), "ruth with a code") == Proved(RUTH, second_factor=True)
    assert prove(made(replace(by_level, second_factor_acr=())), "ruth with a code") == Proved(RUTH, second_factor=False)


@FULL
def test_another_claim_can_be_the_login(provider: Provider) -> None:
    by_name = made(replace(provider.settings, login_claim="upn"))
    assert prove(by_name).login == "ruth"
    assert refused(by_name, "nameless") == "oidc_refused"


@FULL
def test_an_address_that_the_provider_did_not_check_is_nobodys(provider: Provider) -> None:
    assert refused(provider, "unchecked") == "oidc_refused"
    assert refused(provider, "nameless") == "oidc_refused"


@FULL
def test_only_logins_of_the_schools_own_domains_come_in(provider: Provider) -> None:
    own = made(replace(provider.settings, domains=("@Lincoln.example",)))
    assert prove(own).login == RUTH
    assert refused(own, "stranger") == "oidc_refused"
    assert prove(provider, "stranger").login == "mallory@elsewhere.example"


@FULL
def test_what_is_sent_to_the_provider_has_a_state_a_nonce_and_a_challenge_and_no_secret(provider: Provider) -> None:
    address, kept = begin(provider, provider.redirect_uri, NOW)
    again, other = begin(provider, provider.redirect_uri, NOW)
    told = {name: one[0] for name, one in parse_qs(urlsplit(address).query).items()}
    assert told["code_challenge_method"] == "S256"
    assert (told["state"], told["nonce"], told["redirect_uri"]) == (kept.state, kept.nonce, f"{HERE}/sign-in/oidc/back")
    assert told["scope"] == "openid email"
    assert kept.verifier not in address
    assert SECRET not in address
    assert not {kept.state, kept.nonce, kept.verifier} & {other.state, other.nonce, other.verifier}
    assert address != again


def now_and(seconds: int) -> int:
    return int(time.time()) + seconds


@FULL
@pytest.mark.parametrize(
    "how",
    [
        {"claims": {"nonce": "another"}},
        {"claims": {"nonce": None}},
        {"claims": {"aud": "another"}},
        {"claims": {"aud": ["another"]}},
        {"claims": {"aud": [CLIENT, "another"]}},
        {"claims": {"aud": [CLIENT, "another"], "azp": "another"}},
        {"claims": {"iss": "https://sign-in.elsewhere.example"}},
        {"claims": {"exp": ("now", -70)}},
        {"claims": {"exp": "soon"}},
        {"claims": {"nbf": ("now", 600)}},
        {"claims": {"iat": ("now", 600)}},
        {"claims": {"iat": ("now", -600)}},
        {"claims": {"at_hash": "another"}},
        {"claims": {"sub": None}},
        {"claims": {"email": ["ruth.okoro@lincoln.example"]}},
        {"claims": {"amr": "mfa"}},
        {"key": "strange"},
        {"alg": "HS256"},
        {"alg": "none"},
    ],
    ids=str,
)
def test_a_token_that_does_not_hold_signs_nobody_in(provider: Provider, address: str, how: dict[str, Any]) -> None:
    if "claims" in how:  # times count from the test, which may run long after it was collected
        how = {"claims": {name: now_and(one[1]) if isinstance(one, tuple) else one for name, one in how["claims"].items()}}
    assert prove(provider).login == RUTH
    behave(address, **how)
    assert refused(provider) == "oidc_refused"


@FULL
def test_a_clock_may_be_off_by_a_minute_and_no_more(provider: Provider, address: str) -> None:
    behave(address, claims={"exp": now_and(-30), "nbf": now_and(30), "iat": now_and(30)})
    assert prove(provider).login == RUTH
    behave(address)
    assert refused(provider, later=timedelta(minutes=7)) == "oidc_refused", "the provider's tokens hold for 5 minutes"


@FULL
def test_a_code_is_good_once_and_only_for_whoever_began(provider: Provider) -> None:
    now = datetime.now(UTC)
    leave, kept = begin(provider, provider.redirect_uri, now)
    query = visit(leave)
    for other in (replace(kept, verifier="x" * 64), replace(kept, redirect_uri="http://localhost:1/sign-in/oidc/back")):
        with pytest.raises(Refused) as found:
            finish(provider, other, query, now)
        assert found.value.problems[0].code == "oidc_refused"
    leave, kept = begin(provider, provider.redirect_uri, now)
    query = visit(leave)
    assert finish(provider, kept, query, now).login == RUTH
    with pytest.raises(Refused):
        finish(provider, kept, query, now)


@FULL
def test_whoever_is_not_let_in_there_is_not_let_in_here(provider: Provider) -> None:
    now = datetime.now(UTC)
    leave, kept = begin(provider, provider.redirect_uri, now)
    query = visit(leave, "nobody")
    assert query["error"] == "access_denied"
    for sent in (query, {**query, "code": "made up"}, {"state": kept.state}, {"state": kept.state, "code": "made up"},
                 {"state": kept.state, "code": "x" * 9_000}):  # fmt: skip
        with pytest.raises(Refused) as found:
            finish(provider, kept, sent, now)
        assert found.value.problems[0].code == "oidc_refused"


@FULL
def test_the_answer_of_another_provider_is_none(provider: Provider, address: str) -> None:
    now = datetime.now(UTC)
    behave(address, metadata={"authorization_response_iss_parameter_supported": True})
    for named, good in ((None, False), ("https://sign-in.elsewhere.example", False), (address, True)):
        leave, kept = begin(provider, provider.redirect_uri, now)
        query = visit(leave) | ({"iss": named} if named else {})
        if good:
            assert finish(provider, kept, query, now).login == RUTH
        else:
            with pytest.raises(Refused):
                finish(provider, kept, query, now)


@FULL
def test_a_wrong_secret_signs_nobody_in(provider: Provider) -> None:
    assert refused(replace_secret(provider)) == "oidc_refused"


@FULL
def test_what_the_provider_says_of_itself_is_kept_for_an_hour(provider: Provider, address: str) -> None:
    def asked() -> list[str]:
        found = httpx.get(f"{address}/asked").json()
        return [one for one in found if one in ("/.well-known/openid-configuration", "/keys")]

    prove(provider)
    prove(provider)
    assert asked() == ["/.well-known/openid-configuration", "/keys"]
    provider.metadata(datetime.now(UTC) + KEPT_FOR + MINUTE)
    provider.keys(datetime.now(UTC) + KEPT_FOR + MINUTE)
    assert asked() == ["/.well-known/openid-configuration", "/keys"] * 2


@FULL
def test_a_new_key_of_the_providers_is_fetched_when_it_is_met(provider: Provider, address: str) -> None:
    prove(provider)
    behave(address, key="new")
    assert prove(provider).login == RUTH
    assert httpx.get(f"{address}/asked").json().count("/keys") == 1


@FULL
@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://sign-in.elsewhere.example"},
        {"token_endpoint": "http://sign-in.elsewhere.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"code_challenge_methods_supported": ["plain"]},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
    ],
    ids=str,
)
def test_a_provider_that_cannot_be_trusted_is_not_used(provider: Provider, address: str, metadata: dict[str, Any]) -> None:
    behave(address, metadata=metadata)
    with pytest.raises(Unavailable, match="cannot be used"):
        begin(provider, provider.redirect_uri, NOW)


@FULL
def test_a_provider_that_does_not_answer_is_told_apart_from_one_that_refuses(provider: Provider, address: str) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        begin(made(replace(provider.settings, issuer="http://127.0.0.1:9")), "", NOW)
    with pytest.raises(Unavailable):
        begin(made(replace(provider.settings, issuer=f"{address}/elsewhere")), "", NOW)
    behave(address, status=503)
    with pytest.raises(Unavailable):
        prove(provider)


@FULL
def test_the_client_proves_itself_in_the_way_that_the_provider_takes(provider: Provider, address: str) -> None:
    behave(address, metadata={"token_endpoint_auth_methods_supported": ["client_secret_post"]})
    assert prove(provider).login == RUTH


@FULL
def test_somebody_leaves_and_comes_back_to_the_page_that_they_wanted(provider: Provider, db: Engine) -> None:
    account(db)
    now = datetime.now(UTC)
    left = review.leave(provider, "/review/students/S-1", now)
    query = visit(left.address)
    came = review.back(db, "lincoln", provider, left.cookie, query, now)
    assert (came.then, came.signed_in.account.login, came.signed_in.missing) == ("/review/students/S-1", RUTH, "")
    assert sessions.find(db, came.token, now) == came.signed_in
    for cookie, code in (("", "oidc_expired"), ("made up", "oidc_expired"), (left.cookie, "oidc_refused")):
        with pytest.raises(Refused) as found:
            review.back(db, "lincoln", provider, cookie, query, now)
        assert found.value.problems[0].code == code
    stranger = review.leave(provider, "", now)
    with pytest.raises(Refused) as found:
        review.back(db, "lincoln", provider, stranger.cookie, visit(stranger.address, "stranger"), now)
    assert found.value.problems[0].code == "oidc_unknown"


@FULL
def test_the_schools_own_sign_in_leads_through_the_pages_and_back(provider: Provider, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    school = School.of(tmp_path, records(the_school()), now=now, provider=provider)
    school.account("teacher", "tess", login=RUTH)
    browser = school.stranger()
    assert 'href="/sign-in/oidc?then=' in browser.get("/sign-in?then=%2Freview%3Fwhen%3Dnew").text
    left = browser.get("/sign-in/oidc?then=%2Freview%3Fwhen%3Dnew")
    assert left.status_code == 303
    came = urlencode(visit(left.headers["location"]))
    stranger = school.stranger().get(f"/sign-in/oidc/back?{came}")
    assert stranger.status_code == 422  # whoever comes back has to be whoever left
    answer = browser.get(f"/sign-in/oidc/back?{came}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/review?when=new")
    assert set(browser.cookies) & {SESSION, review.COOKIE} == {SESSION}
    assert browser.get("/review?when=new").status_code == 200


@pytest.mark.full
def test_without_a_sign_in_of_the_school_its_addresses_lead_to_ours(tmp_path: Path) -> None:
    browser = School.of(tmp_path, records(the_school())).stranger()
    assert "/sign-in/oidc" not in browser.get("/sign-in").text
    for address in ("/sign-in/oidc", "/sign-in/oidc/back?code=x&state=y"):
        assert browser.get(address).headers["location"] == "/sign-in"
