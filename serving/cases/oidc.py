"""Signing in by the school's own provider (OpenID Connect Core 1.0): whom it says that somebody is, and nothing more.

The authorization code flow with a code challenge (RFC 7636), a state and a nonce, as RFC 9700 asks for. The provider opens no
account: it proves a login, and who has that login here is what an administrator said. Its second factor counts only where a
setting names the claim that says there was one; else ours is asked for.

What has to be remembered between leaving and coming back (:class:`Remembered`) is sealed with a key that is made of the
client's secret, so that it can lie in a cookie of the browser that left: every worker can open it, nobody else can read or
change it, and it is worth nothing after ten minutes. A code is good once, and the provider sees to that.

Only this file imports Authlib, its JOSE half and the HTTP client that it speaks by.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from features.problems import Problem, Refused, Unavailable

if TYPE_CHECKING:
    from authlib.integrations.requests_client import OAuth2Session
    from joserfc.jwk import KeySet

#: Holds the client's secret. It never stands in ``homeroom.toml``, which people copy and show to each other.
SECRET_VARIABLE = "HOMEROOM_OIDC_SECRET"  # noqa: S105 (the name of a variable)

#: How long somebody may take at the provider.
AWAY_FOR = timedelta(minutes=10)
#: How old what the provider says of itself, and its keys, may get before they are asked for again.
KEPT_FOR = timedelta(hours=1)
#: How far the provider's clock may be off.
SKEW = timedelta(seconds=60)
#: How long to wait for the provider, to connect and then for each part of its answer.
PATIENCE = (5.0, 10.0)

#: Signatures that only the provider can make. Others take no key, or one that the client has as well.
_SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MOST_TEXT = 2_000


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """What is set in ``[oidc]`` of ``homeroom.toml``. Without an ``issuer`` nobody signs in by a provider.

    ``issuer`` is the provider's address, ``client_id`` the name under which it knows Homeroom, ``client_secret_file`` a file
    that holds nothing but the secret (else ``HOMEROOM_OIDC_SECRET`` does). ``address`` is where people reach this service: the
    provider sends them back to ``/sign-in/oidc/back`` there. ``login_claim`` names the claim that is the login of an account
    here; an ``email`` counts only where the provider says that it checked it. ``domains`` are the only ones that a login may
    end with, after the @; none means any. ``second_factor_amr`` and ``second_factor_acr`` are the words in the claims ``amr``
    and ``acr`` by which the provider says that a second factor was passed, such as ``mfa``; without any it never counts.
    """

    issuer: str = ""
    client_id: str = ""
    client_secret_file: str = ""
    address: str = ""
    scopes: tuple[str, ...] = ("openid", "email")
    login_claim: str = "email"
    domains: tuple[str, ...] = ()
    second_factor_amr: tuple[str, ...] = ()
    second_factor_acr: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, given: object) -> OidcSettings:
        """Return the settings with defaults where nothing is given.

        Raises :class:`~features.problems.Refused` with every key that there is none of and every value of the wrong kind.
        """
        if isinstance(given, OidcSettings):
            return given
        told: Mapping[str, object] = given if isinstance(given, Mapping) else {"": given}
        known = {one.name: one.default for one in fields(cls)}
        values: dict[str, Any] = {}
        problems = []
        for name, value in told.items():
            if name not in known:
                problems.append(_setting(name, "There is no such setting", f"The settings are {', '.join(known)}."))
            elif isinstance(known[name], str):
                values[name] = value
                if not isinstance(value, str):
                    problems.append(_setting(name, "It must be text", "Write it between quotes."))
            elif isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
                values[name] = tuple(value)
            else:
                problems.append(_setting(name, "It must be a list of texts", 'Write it like ["mfa"].'))
        if problems:
            raise Refused(problems, "The settings of the provider were refused")
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is kept from leaving for the provider until coming back. ``then`` is the page that somebody wanted."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    begun_at: float
    then: str = ""


@dataclass(frozen=True, slots=True)
class Proved:
    """Whom the provider says that somebody is: a login, and whether a second factor was passed there."""

    login: str
    second_factor: bool


@dataclass(eq=False)
class Provider:
    """The school's provider: its settings, the secret, and what it says of itself, kept for a while."""

    settings: OidcSettings
    secret: str = field(repr=False)
    _metadata: tuple[datetime, Mapping[str, Any]] | None = field(default=None, repr=False)
    _keys: tuple[datetime, KeySet] | None = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends people back to, which has to be on its list."""
        return f"{self.settings.address.rstrip('/')}/sign-in/oidc/back"

    def metadata(self, now: datetime) -> Mapping[str, Any]:
        """Return what the provider says of itself (OpenID Connect Discovery 1.0), at most an hour old.

        Raises :class:`~features.problems.Unavailable` when it does not answer or says what cannot be used.
        """
        with self._lock:
            if self._metadata is None or not timedelta() <= now - self._metadata[0] < KEPT_FOR:
                found = self._get(f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
                self._metadata = now, _checked(found, self.settings.issuer)
            return self._metadata[1]

    def keys(self, now: datetime, *, anew: bool = False) -> KeySet:
        """Return the keys that the provider signs with, at most an hour old; ``anew`` asks for them in any case."""
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        address = str(self.metadata(now)["jwks_uri"])
        with self._lock:
            if anew or self._keys is None or not timedelta() <= now - self._keys[0] < KEPT_FOR:
                try:
                    self._keys = now, KeySet.import_key_set(self._get(address))  # type: ignore[arg-type]
                except (JoseError, KeyError, TypeError, ValueError) as error:
                    raise _unusable("its keys cannot be read") from error
            return self._keys[1]

    def session(self, method: str = "client_secret_basic") -> OAuth2Session:
        """Return a client that speaks to the provider."""
        from authlib.integrations.requests_client import OAuth2Session

        told = self.settings
        return OAuth2Session(
            told.client_id, self.secret, token_endpoint_auth_method=method, scope=" ".join(told.scopes),
            code_challenge_method="S256", default_timeout=PATIENCE,
        )  # fmt: skip

    def _get(self, address: str) -> dict[str, Any]:
        import requests

        try:
            with self.session() as session:
                answer = session.request("GET", address, withhold_token=True, allow_redirects=False)
                found = answer.json() if answer.status_code == requests.codes.ok else None
        except requests.RequestException as error:
            raise _unusable("it does not answer") from error
        if not isinstance(found, dict):
            raise _unusable("it does not say what a provider says")
        return found

    def seal(self, remembered: Remembered) -> str:
        """Return what is remembered as text that only this service can read or make."""
        from joserfc import jwe

        told = json.dumps(asdict(remembered)).encode()
        return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, told, self._sealing_key())

    def unseal(self, sealed: str) -> Remembered | None:
        """Return what was sealed, ``None`` for what was not sealed here."""
        from joserfc import jwe
        from joserfc.errors import JoseError

        try:
            opened = jwe.decrypt_compact(sealed, self._sealing_key(), algorithms=["dir", "A256GCM"])
        except (JoseError, ValueError):
            return None
        return Remembered(**json.loads(opened.plaintext or b"{}"))

    def _sealing_key(self) -> Any:
        from joserfc.jwk import OctKey

        return OctKey.import_key(hmac.digest(self.secret.encode(), b"homeroom: away at the provider", hashlib.sha256))


def open_provider(settings: OidcSettings, environment: Mapping[str, str] | None = None) -> Provider | None:
    """Return the provider that the settings name, ``None`` where they name none. Nothing is asked of it yet.

    Raises :class:`~features.problems.Refused` with everything that is wrong in the settings.
    """
    if not settings.issuer:
        return None
    secret = (os.environ if environment is None else environment).get(SECRET_VARIABLE, "")
    problems = []
    if settings.client_secret_file:
        try:
            secret = Path(settings.client_secret_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            problems.append(_setting("client_secret_file", "This file cannot be read", "Give one that holds the secret alone."))
    elif not secret:
        said = f"Name a file in it, or set {SECRET_VARIABLE}: the secret itself does not belong in homeroom.toml."
        problems.append(_setting("client_secret_file", "There is no secret of the client", said))
    for name in ("issuer", "address"):
        if not _safe(getattr(settings, name)):
            hint = "Write it like https://sign-in.example.org. Only a provider on this machine may do without https."
            problems.append(_setting(name, "This is not an address that can be trusted", hint))
    if not settings.client_id:
        problems.append(_setting("client_id", "It is missing", "The provider gives it when Homeroom is registered there."))
    if not settings.login_claim:
        problems.append(_setting("login_claim", "It is missing", "Name the claim that is an account's login, such as email."))
    if "openid" not in settings.scopes:
        problems.append(_setting("scopes", "openid is not among them", "Without it the provider does not say who it is."))
    if problems:
        raise Refused(problems, "The settings of the provider were refused")
    return Provider(settings, secret)


def begin(provider: Provider, redirect_uri: str, now: datetime, then: str = "") -> tuple[str, Remembered]:
    """Return the provider's address to go to, and what to remember until somebody comes back.

    Raises :class:`~features.problems.Unavailable` when the provider does not say where that is.
    """
    metadata, told = provider.metadata(now), provider.settings
    kept = Remembered(
        state=secrets.token_urlsafe(32), nonce=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(48),
        redirect_uri=redirect_uri, begun_at=now.timestamp(), then=then,
    )  # fmt: skip
    asked = {"acr_values": " ".join(told.second_factor_acr)} if told.second_factor_acr else {}
    with provider.session() as session:
        address, _ = session.create_authorization_url(
            metadata["authorization_endpoint"], state=kept.state, code_verifier=kept.verifier, nonce=kept.nonce,
            redirect_uri=redirect_uri, response_type="code", **asked,
        )  # fmt: skip
    return str(address), kept


def finish(provider: Provider, remembered: Remembered | None, query: Mapping[str, str], now: datetime) -> Proved:
    """Return whom the provider says that somebody is who came back with ``query``.

    Raises :class:`~features.problems.Refused` when somebody took too long or did not leave from here (``oidc_expired``), and
    when the provider does not say who it is, or what it says does not hold (``oidc_refused``);
    :class:`~features.problems.Unavailable` when it does not answer.
    """
    if remembered is None or not 0 <= now.timestamp() - remembered.begun_at <= AWAY_FOR.total_seconds():
        raise _refused("oidc_expired", "It took too long, or it was begun in another browser", "Begin again.")
    if not hmac.compare_digest(remembered.state.encode(), query.get("state", "").encode(errors="replace")):
        raise _refused("oidc_expired", "This is not the answer to what was begun last in this browser", "Begin again.")
    metadata = provider.metadata(now)
    named = metadata.get("authorization_response_iss_parameter_supported") is True
    if query.get("iss", "" if named else provider.settings.issuer) != provider.settings.issuer:
        raise _not_proved()  # the answer of another provider (RFC 9207)
    code = query.get("code", "")
    if "error" in query or not 0 < len(code) <= _MOST_TEXT:
        raise _not_proved()
    return _proved(provider, _claims(provider, remembered, _token(provider, metadata, remembered, code), now))


def _token(provider: Provider, metadata: Mapping[str, Any], remembered: Remembered, code: str) -> Mapping[str, Any]:
    """Return what the provider gives for a code, which it gives once."""
    import requests
    from authlib.integrations.base_client import OAuthError

    offered = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    method = "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"
    try:
        with provider.session(method) as session:
            token = session.fetch_token(
                metadata["token_endpoint"], grant_type="authorization_code", code=code, code_verifier=remembered.verifier,
                redirect_uri=remembered.redirect_uri, allow_redirects=False, timeout=PATIENCE,
            )  # fmt: skip
    except OAuthError as error:
        raise _not_proved() from error
    except requests.RequestException as error:
        raise _unusable("it does not answer") from error
    if not isinstance(token, Mapping) or not isinstance(token.get("id_token"), str):
        raise _not_proved()
    return token


def _claims(provider: Provider, remembered: Remembered, token: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """Return what an ID token says, once its signature and every claim hold (OpenID Connect Core 1.0, 3.1.3.7)."""
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import InvalidKeyIdError, JoseError
    from joserfc.jws import JWSRegistry

    registry = JWSRegistry(algorithms=_signatures(provider.metadata(now)), strict_check_header=False)
    told = provider.settings
    try:
        try:
            read = jwt.decode(token["id_token"], provider.keys(now), registry=registry)
        except InvalidKeyIdError:  # the provider has taken a new key into use
            read = jwt.decode(token["id_token"], provider.keys(now, anew=True), registry=registry)
        claims = CodeIDToken(
            read.claims,
            read.header,
            options={"iss": {"essential": True, "value": told.issuer}, "aud": {"essential": True, "value": told.client_id}},
            params={"nonce": remembered.nonce, "client_id": told.client_id, "access_token": token.get("access_token")},
        )
        claims.validate(now=int(now.timestamp()), leeway=int(SKEW.total_seconds()))
    except (JoseError, ValueError, TypeError) as error:
        raise _not_proved() from error
    if claims["iat"] < remembered.begun_at - SKEW.total_seconds():
        raise _not_proved()  # made before anybody left for the provider
    return dict(claims)


def _proved(provider: Provider, claims: Mapping[str, Any]) -> Proved:
    """Return the login that claims prove, and whether they say that a second factor was passed."""
    told = provider.settings
    login = claims.get(told.login_claim)
    unchecked = told.login_claim == "email" and claims.get("email_verified") is not True
    if not isinstance(login, str) or not login.strip() or unchecked:
        raise _not_proved()
    at, domains = login.casefold().rpartition("@")[2], {domain.casefold().removeprefix("@") for domain in told.domains}
    if domains and ("@" not in login or at not in domains):
        raise _not_proved()
    amr, acr = claims.get("amr"), claims.get("acr")
    passed = isinstance(amr, list) and any(one in told.second_factor_amr for one in amr)
    return Proved(login, passed or (isinstance(acr, str) and acr in told.second_factor_acr))


def _checked(found: Mapping[str, Any], issuer: str) -> Mapping[str, Any]:
    """Return what a provider says of itself, if it is the one and names addresses that can be trusted."""
    if found.get("issuer") != issuer:
        raise _unusable("it says that it is another one; the issuer has to be written exactly as it says it")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not isinstance(found.get(name), str) or not _safe(found[name]):
            raise _unusable(f"its {name} is missing or not to be trusted")
    challenges = found.get("code_challenge_methods_supported")
    if challenges is not None and "S256" not in challenges:
        raise _unusable("it knows no code challenge")
    if not _signatures(found):
        raise _unusable("it signs in no way that only it can")
    return found


def _signatures(metadata: Mapping[str, Any]) -> list[str]:
    """Return in which ways a provider signs, of those that only it can."""
    offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
    return [name for name in _SIGNATURES if name in offered]


def _safe(address: str) -> bool:
    """Whether what goes there is encrypted on its way, or never leaves the machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


def _setting(name: str, problem: str, hint: str) -> Problem:
    return Problem("setting", f"oidc.{name}", problem, hint)


def _refused(code: str, problem: str, hint: str) -> Refused:
    return Refused([Problem(code, "sign-in", problem, hint)], "You are not signed in")


def _not_proved() -> Refused:
    """Return what is said whatever did not hold: the details would help nobody who signs in."""
    said = "Your school's sign-in did not tell us who you are"
    return _refused("oidc_refused", said, "Begin again, or ask your school's administrator.")


def _unusable(problem: str) -> Unavailable:
    return Unavailable(f"The provider of [oidc] in homeroom.toml cannot be used: {problem}.")
