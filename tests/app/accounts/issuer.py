"""A real OpenID Connect issuer beside the portal: idpyoidc, which shares no line with the client that we use.

The library decides what is a right request, code, token and signature; here are only its settings, its people, and how
its endpoints are reached over HTTP. `spoil` changes an ID token after it was made, for the tests of what is refused.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from idpyoidc.server import Server
from idpyoidc.server.configure import OPConfiguration
from idpyoidc.server.user_info import UserInfo
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

CLIENT, SECRET = "the-portal", "a-secret-of-the-portal-and-the-issuer"
_MODULE = "idpyoidc.server"


@dataclass
class RealIssuer:
    """The issuer, the people whom it knows, and who sits at the browser."""

    url: str
    redirect_uri: str
    user: str = "ada"
    asks: bool = False
    spoil: Callable[[dict[str, Any], RealIssuer], None] | None = None
    published: dict[str, Any] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    people: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "ada": {
                "name": "Ada Lovelace",
                "email": "ada@acme.com",
                "email_verified": True,
                "preferred_username": "ada",
            },
            "eve": {"name": "Eve", "email": "ada@acme.com", "email_verified": False, "preferred_username": "eve"},
        }
    )

    def __post_init__(self) -> None:
        kinds = {
            "provider_config": (".well-known/openid-configuration", "oidc.provider_config.ProviderConfiguration", None),
            "authorization": ("authorization", "oidc.authorization.Authorization", None),
            "token": ("token", "oidc.token.Token", ["client_secret_post", "client_secret_basic"]),
            "userinfo": ("userinfo", "oidc.userinfo.UserInfo", ["bearer_header"]),
        }
        pkce = {"function": f"{_MODULE}.oauth2.add_on.pkce.add_support", "kwargs": {"essential": True}}
        keys = [{"type": "RSA", "use": ["sig"]}, {"type": "EC", "crv": "P-256", "use": ["sig"]}]
        usage = {"authorization_code": {"supports_minting": ["access_token", "id_token"], "max_usage": 1}}
        conf = {
            "issuer": self.url,
            "httpc_params": {"verify": False},
            "key_conf": {"key_defs": keys, "uri_path": "keys"},
            "token_handler_args": {
                # No file: its own default is one in the folder of whoever runs the tests.
                "jwks_def": {"private_path": "",
                             "key_defs": [{"type": "oct", "bytes": "24", "use": ["enc"], "kid": "code"}]},
                "code": {"kwargs": {"lifetime": 600}},
                "token": {"class": f"{_MODULE}.token.jwt_token.JWTToken", "kwargs": {"lifetime": 3600}},
                "id_token": {
                    "class": f"{_MODULE}.token.id_token.IDToken",
                    "kwargs": {"base_claims": {"email": None, "email_verified": None, "name": None,
                                               "preferred_username": None}},
                },
            },
            "endpoint": {
                name: {"path": path, "class": f"{_MODULE}.{kind}", "kwargs": {"client_authn_method": methods}}
                for name, (path, kind, methods) in kinds.items()
            },
            "add_on": {"pkce": pkce},
            "authentication": {
                "anonymous": {"acr": "urn:test", "class": f"{_MODULE}.user_authn.user.NoAuthn",
                              "kwargs": {"user": self.user}}
            },
            "userinfo": {"class": UserInfo, "kwargs": {"db": self.people}},
            "authz": {"class": f"{_MODULE}.authz.AuthzHandling",
                      "kwargs": {"grant_config": {"usage_rules": usage, "expires_in": 3600}}},
            "claims_interface": {"class": f"{_MODULE}.session.claims.ClaimsInterface", "kwargs": {}},
            "session_params": {"encrypter": {"kwargs": {"keys": {"key_defs": [
                {"type": "oct", "bytes": "24", "use": ["enc"], "kid": "password"},
                {"type": "oct", "bytes": "24", "use": ["enc"], "kid": "salt"}]}}}},
            "template_dir": ".",
        }  # fmt: skip
        self.server = Server(OPConfiguration(conf))
        self.people = self.server.context.userinfo.db
        self.server.context.cdb[CLIENT] = {
            "client_id": CLIENT, "client_secret": SECRET, "redirect_uris": [(self.redirect_uri, {})],
            "token_endpoint_auth_method": "client_secret_basic", "response_types_supported": ["code"],
            "allowed_scopes": ["openid", "profile", "email"], "id_token_signed_response_alg": "RS256",
        }  # fmt: skip

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        """One request of a browser or of the portal."""
        request = Request(environ)
        self.seen.append(request.path)
        return self._answer(request)(environ, start)

    def _answer(self, request: Request) -> Response:
        path = request.path.strip("/")
        if path == "keys":
            return Response(self.server.keyjar.export_jwks_as_json(), content_type="application/json")
        names = {".well-known/openid-configuration": "provider_config", "authorization": "authorization",
                 "token": "token", "userinfo": "userinfo"}  # fmt: skip
        if path not in names:
            return Response("not here", 404)
        if path == "authorization" and self.asks and "yes" not in request.args:
            page = f'<!doctype html><title>Issuer</title><a id="yes" href="{request.full_path}&yes=1">I am {self.user}'
            return Response(page, content_type="text/html")
        endpoint = self.server.endpoint[names[path]]
        said = {name: value for name, value in request.values.to_dict().items() if name != "yes"}
        info = {"headers": {name.lower(): value for name, value in request.headers}, "url": request.url}
        for one in self.server.context.authn_broker.db.values():
            one["method"].user = self.user
        asked = endpoint.parse_request(said, http_info=info)
        if "error" in asked:
            return Response(asked.to_json(), 400, content_type="application/json")
        found = endpoint.process_request(asked, http_info=info)
        if "error" in found:
            text = found.to_json() if hasattr(found, "to_json") else str(found)
            return Response(text, 400, content_type="application/json")
        if path == "token" and self.spoil:
            self.spoil(found["response_args"], self)
        done = endpoint.do_response(request=asked, **found)
        if done.get("response_placement") == "url" or str(done["response"]).startswith("http"):
            return Response("", 302, headers={"Location": done["response"]})
        text = done["response"]
        if path.startswith(".well-known") and self.published:
            text = json.dumps({**json.loads(text), **self.published})
        return Response(text, content_type="application/json")


@contextmanager
def running(redirect_uri: str) -> Iterator[RealIssuer]:
    """The issuer on a port of its own."""
    made: list[RealIssuer] = []
    server = make_server("127.0.0.1", 0, lambda environ, start: made[0](environ, start), threaded=True)
    made.append(RealIssuer(f"http://127.0.0.1:{server.server_port}", redirect_uri))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="issuer")
    thread.start()
    yield made[0]
    server.shutdown()
    thread.join()
    server.server_close()
