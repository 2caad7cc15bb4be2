"""Leaving for the school's own sign-in and coming back from it, before anybody is signed in here.

What is remembered meanwhile lies sealed in a cookie of the browser that left (:mod:`serving.cases.oidc`), and nothing of it in
the database: whoever never comes back leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from serving.cases import oidc, sessions
from serving.cases.database import Engine
from serving.cases.oidc import Provider
from serving.cases.sessions import SignedIn

#: The cookie of somebody who is away. It is sent along when the provider sends them back, which is another site, so it is
#: ``SameSite=Lax``; the session's own cookie need not be. ``__Host-`` keeps other services of the domain from planting one.
COOKIE = "__Host-homeroom-away"
COOKIE_SECONDS = int(oidc.AWAY_FOR.total_seconds())


@dataclass(frozen=True, slots=True)
class Leave:
    """Leads on to the provider. ``cookie`` is the value of :data:`COOKIE`."""

    address: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Back:
    """Somebody who came back and is signed in: the new session's token, who it is, and the page that they wanted."""

    token: str
    signed_in: SignedIn
    then: str


def leave(provider: Provider, then: str, now: datetime) -> Leave:
    """Answer GET ``/sign-in/oidc``: a redirect (303) to ``address``, with the cookie.

    ``then`` is a path of this service that was checked to be one. Raises :class:`~features.problems.Unavailable` when the
    provider does not answer.
    """
    address, remembered = oidc.begin(provider, provider.redirect_uri, now, then)
    return Leave(address, provider.seal(remembered))


def back(db: Engine, tenant: str, provider: Provider, cookie: str, query: Mapping[str, str], now: datetime) -> Back:
    """Answer GET ``/sign-in/oidc/back``: sign somebody in whom the provider says that it knows.

    :data:`COOKIE` is deleted with every answer, a refusal too. ``signed_in.missing`` says whether our second factor comes
    next, as after a password. Raises :class:`~features.problems.Refused` with one of the codes ``oidc_expired`` (begin again),
    ``oidc_refused`` (the provider did not say who it is) and ``oidc_unknown`` (nobody has an account here with this login);
    :class:`~features.problems.Unavailable` when the provider does not answer.
    """
    remembered = provider.unseal(cookie)
    proved = oidc.finish(provider, remembered, query, now)
    token, signed_in = sessions.sign_in_by_provider(db, tenant, proved.login, now, second_factor=proved.second_factor)
    return Back(token, signed_in, remembered.then if remembered else "")
