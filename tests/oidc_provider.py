"""An OpenID Connect provider for tests: Authlib's server side over HTTP, in a process of its own. It lies where it is told to.

``python tests/oidc_provider.py`` prints its port and serves until it is ended. Whoever comes to ``/authorize`` says who they
are in a form, and is believed. ``POST /behave`` with JSON says how it lies from then on: ``claims`` are put over those of the
next tokens, ``key`` signs with one that is ``strange`` or with a ``new`` one, ``alg`` says another algorithm, ``metadata`` is
put over what it says of itself, ``status`` answers for a token with this number.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

CLIENT, SECRET = "homeroom", "a secret of the client's own"

#: Who has an account at the provider, by what they type, and what it says of them.
PEOPLE: dict[str, dict[str, Any]] = {
    "ruth": {"email": "ruth.okoro@lincoln.example", "email_verified": True, "upn": "ruth"},
    "ruth with a code": {"email": "ruth.okoro@lincoln.example", "email_verified": True, "amr": ["pwd", "mfa"], "acr": "gold"},
    "unchecked": {"email": "ruth.okoro@lincoln.example", "email_verified": False},
    "stranger": {"email": "mallory@elsewhere.example", "email_verified": True},
    "nameless": {},
}


@dataclass
class Code:
    """What a code stands for, until it is taken or a minute is over."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    user: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    made_at: float = field(default_factory=time.time)

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(self.made_at)

    def get_acr(self) -> str | None:
        return None

    def get_amr(self) -> list[str] | None:
        return None


def application() -> Any:
    """Return the provider as a Flask application."""
    from authlib.integrations.flask_oauth2 import AuthorizationServer
    from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Error
    from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
    from authlib.oauth2.rfc7636 import CodeChallenge
    from authlib.oidc.core import UserInfo
    from authlib.oidc.core.grants import OpenIDCode
    from flask import Flask, jsonify, request
    from joserfc.jwk import KeySet, OctKey, RSAKey

    app = Flask(__name__)
    keys = {name: RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})
            for name, kid in (("usual", "k1"), ("new", "k2"), ("strange", "k1"))}  # fmt: skip
    behaviour: dict[str, Any] = {}
    codes: dict[str, Code] = {}
    asked: list[str] = []

    class Client(ClientMixin):
        def get_client_id(self) -> str:
            return CLIENT

        def get_default_redirect_uri(self) -> None:
            return None

        def get_allowed_scope(self, scope: str) -> str:
            return " ".join(one for one in scope.split() if one in ("openid", "email", "profile"))

        def check_redirect_uri(self, redirect_uri: str) -> bool:
            return redirect_uri.endswith("/sign-in/oidc/back")

        def check_client_secret(self, client_secret: str) -> bool:
            return secrets.compare_digest(client_secret, SECRET)

        def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
            return method in ("client_secret_basic", "client_secret_post")

        def check_response_type(self, response_type: str) -> bool:
            return response_type == "code"

        def check_grant_type(self, grant_type: str) -> bool:
            return grant_type == "authorization_code"

    class CodeGrant(AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

        def save_authorization_code(self, code: str, request: Any) -> None:
            told = request.payload.data
            codes[code] = Code(
                code, CLIENT, request.payload.redirect_uri, request.payload.scope, request.user, told.get("nonce"),
                told.get("code_challenge"), told.get("code_challenge_method"),
            )  # fmt: skip

        def query_authorization_code(self, code: str, client: Any) -> Code | None:
            found = codes.get(code)
            return found if found and time.time() - found.made_at < 60 else None

        def delete_authorization_code(self, authorization_code: Code) -> None:
            codes.pop(authorization_code.code, None)

        def authenticate_user(self, authorization_code: Code) -> str:
            return authorization_code.user

    class Identity(OpenIDCode):
        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return any(one.nonce == nonce for one in codes.values())

        def get_client_claims(self, client: Any) -> dict[str, Any]:
            return {"iss": request.host_url.rstrip("/"), "exp": int(time.time()) + 300}

        def get_client_algorithm(self, client: Any) -> str:
            return str(behaviour.get("alg", "RS256"))

        def get_encode_header(self, client: Any) -> dict[str, Any]:
            return {"alg": self.get_client_algorithm(client), "kid": keys[behaviour.get("key", "usual")].kid}

        def resolve_client_private_key(self, client: Any) -> Any:
            if self.get_client_algorithm(client) == "HS256":
                return OctKey.import_key(SECRET)
            return keys[behaviour.get("key", "usual")]

        def generate_user_info(self, user: str, scope: str) -> UserInfo:
            # These are put over the other claims last.
            return UserInfo({"sub": f"sub of {user}", **PEOPLE[user], **behaviour.get("claims", {})})

    server = AuthorizationServer(app, lambda client_id: Client() if client_id == CLIENT else None, lambda token, request: None)
    server.register_grant(CodeGrant, [CodeChallenge(required=True), Identity(require_nonce=True)])

    @app.before_request
    def _count() -> None:
        asked.append(request.path)

    @app.get("/.well-known/openid-configuration")
    def metadata() -> Any:
        here = request.host_url.rstrip("/")
        return jsonify(
            {
                "issuer": here,
                "authorization_endpoint": f"{here}/authorize",
                "token_endpoint": f"{here}/token",
                "jwks_uri": f"{here}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                **behaviour.get("metadata", {}),
            }
        )

    @app.get("/keys")
    def key_set() -> Any:
        shown = [keys["new"]] if behaviour.get("key") == "new" else [keys["usual"]]
        return jsonify(KeySet(shown).as_dict(private=False))

    @app.get("/authorize")
    def ask() -> Any:
        try:
            server.get_consent_grant(end_user=None)
        except OAuth2Error as error:
            return str(error), 400
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(one)}">' for name, one in request.args.items()
        )
        return (
            '<!doctype html><html lang="en"><title>The school\'s sign-in</title><main><h1>The school\'s sign-in</h1>'
            f'<form method="post"><label for="who">Who are you</label><input id="who" name="who">{hidden}'
            "<button>Go on</button></form></main>"
        )

    @app.post("/authorize")
    def answer() -> Any:
        return server.create_authorization_response(grant_user=request.form["who"] if request.form["who"] in PEOPLE else None)

    @app.post("/token")
    def token() -> Any:
        if "status" in behaviour:
            return "", behaviour["status"]
        return server.create_token_response()

    @app.post("/behave")
    def behave() -> Any:
        behaviour.clear()
        behaviour.update(request.get_json())
        asked.clear()
        return jsonify({})

    @app.get("/asked")
    def which() -> Any:
        return jsonify(asked)

    return app


@contextmanager
def started() -> Iterator[str]:
    """Start a provider and give its address; it ends with the block."""
    command = [sys.executable, str(Path(__file__).resolve())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        assert port, "the provider did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    from werkzeug.serving import make_server

    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # it never leaves the machine
    serving = make_server("127.0.0.1", 0, application(), threaded=True)
    sys.stdout.write(f"{serving.server_port}\n")
    sys.stdout.flush()
    serving.serve_forever()
