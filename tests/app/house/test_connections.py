"""Issuers and the mail server in the environment: every problem at once, and no secret where others read."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import Settings, SettingsError

OIDC = {"FLAMBEAU_OIDC_ACME_ISSUER": "https://id.acme.com", "FLAMBEAU_OIDC_ACME_CLIENT_ID": "portal",
        "FLAMBEAU_OIDC_ACME_CLIENT_SECRET": "s3cret"}  # fmt: skip


def settings(tmp_path: Path, **env: str) -> Settings:
    return Settings.from_environment({"FLAMBEAU_HOME": str(tmp_path), **env})


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert (found.issuers, found.mail) == ((), None)


def test_issuers_by_name_github_first(tmp_path: Path) -> None:
    secret = tmp_path / "github.secret"
    secret.write_text("from-a-file\n")
    found = settings(
        tmp_path, **OIDC, FLAMBEAU_GITHUB_CLIENT_ID="Iv1.8", FLAMBEAU_GITHUB_CLIENT_SECRET_FILE=str(secret),
        FLAMBEAU_OIDC_UNI_ISSUER="https://login.uni.example/realm", FLAMBEAU_OIDC_UNI_CLIENT_ID="p",
        FLAMBEAU_OIDC_UNI_CLIENT_SECRET="x", FLAMBEAU_OIDC_UNI_NAME="The University",
        FLAMBEAU_OIDC_UNI_DOMAINS="uni.example, CS.uni.example",
    )  # fmt: skip
    assert [(one.key, one.name, one.domains) for one in found.issuers] == [
        ("github", "GitHub", ("*",)),
        ("acme", "id.acme.com", ()),
        ("uni", "The University", ("uni.example", "cs.uni.example")),
    ]
    assert found.issuers[0].client_secret.get_secret_value() == "from-a-file"
    assert "from-a-file" not in repr(found)
    assert "s3cret" not in repr(found)
    github, acme, uni = found.issuers
    assert github.api == "https://api.github.com"
    assert not github.vouches_for("1+ada@users.noreply.github.com"), "an account's number proves that, nobody's word"
    assert (github.vouches_for("a@b.org"), acme.vouches_for("a@acme.com")) == (True, False)
    assert (uni.vouches_for("a@CS.uni.example"), uni.vouches_for("a@evil-uni.example")) == (True, False)


def test_a_github_of_ones_own(tmp_path: Path) -> None:
    found = settings(tmp_path, FLAMBEAU_GITHUB_CLIENT_ID="x", FLAMBEAU_GITHUB_CLIENT_SECRET="y",
                     FLAMBEAU_GITHUB_URL="https://git.acme.com/")  # fmt: skip
    assert found.issuers[0].api == "https://git.acme.com/api/v3"
    assert found.issuers[0].name == "GitHub at git.acme.com"
    assert not found.issuers[0].vouches_for("1+ada@users.noreply.git.acme.com"), "nor there"


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"FLAMBEAU_GITHUB_CLIENT_ID": "x"}, "FLAMBEAU_GITHUB_CLIENT_SECRET_FILE is missing"),
        ({"FLAMBEAU_OIDC_ACME_CLIENT_ID": "x"}, "FLAMBEAU_OIDC_ACME_ISSUER is missing"),
        ({**OIDC, "FLAMBEAU_OIDC_ACME_CLIENT_ID": ""}, "FLAMBEAU_OIDC_ACME_CLIENT_ID is missing"),
        ({**OIDC, "FLAMBEAU_OIDC_ACME_ISSUER": "http://id.acme.com"}, "must be an https address"),
        ({**OIDC, "FLAMBEAU_OIDC_ACME_ISSUER": "https://u:tell-nobody@id.acme.com"}, "must be an https address"),
        ({**OIDC, "FLAMBEAU_OIDC_ACME_ISSUER": "https://["}, "FLAMBEAU_OIDC_ACME_ISSUER ends in 'https://['"),
        ({"FLAMBEAU_OIDC_MY_UNI_ISSUER": "https://id.uni.example"}, "FLAMBEAU_OIDC_MY_UNI_ISSUER is not known"),
        ({**OIDC, "FLAMBEAU_OIDC_ACME_CLIENT_SECRET_FILE": "/dev/null"}, "/dev/null is empty"),
        ({**OIDC, "FLAMBEAU_OIDC_ACME_CLIENT_SECRET_FILE": "/no/such"}, "/no/such cannot be read"),
        ({"FLAMBEAU_OIDC_GITHUB_ISSUER": "https://github.com"}, "GitHub is no OpenID Connect issuer"),
        ({"FLAMBEAU_MAIL_SERVER": "mail.acme.com"}, "write smtps://HOST"),
        ({"FLAMBEAU_MAIL_SERVER": "smtp://mail.acme.com", "FLAMBEAU_MAIL_FROM": "a@b.org"}, "in clear to mail.acme"),
        ({"FLAMBEAU_MAIL_SERVER": "smtps://mail.acme.com"}, "FLAMBEAU_MAIL_FROM is missing"),
        ({"FLAMBEAU_MAIL_SERVER": "smtps://u@mail.acme.com", "FLAMBEAU_MAIL_FROM": "a@b.org"}, "MAIL_PASSWORD_FILE"),
        ({"FLAMBEAU_MAIL_SERVER": "smtps://u:tell-nobody@mail.acme.com"}, "MAIL_PASSWORD_FILE"),
        ({"FLAMBEAU_MAIL_SERVER": "smtps://["}, "write smtps://HOST"),
        (
            {
                "FLAMBEAU_MAIL_SERVER": "smtps://u@h",
                "FLAMBEAU_MAIL_FROM": "a@b.org",
                "FLAMBEAU_MAIL_PASSWORD": "tell-nobodÿ",
            },
            "must be ASCII",
        ),
        ({"FLAMBEAU_MAIL_SERVER": "smtps://h:99999", "FLAMBEAU_MAIL_FROM": "a@b.org"}, "a port that is none"),
    ],
)
def test_what_cannot_be_used_is_told_with_the_way_out(tmp_path: Path, env: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as error:
        settings(tmp_path, **env)
    assert told in str(error.value)
    assert "tell-nobod" not in str(error.value)
    assert "s3cret" not in str(error.value)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        settings(tmp_path, PORT="x", FLAMBEAU_GITHUB_CLIENT_ID="x", FLAMBEAU_MAIL_SERVER="nonsense")
    assert [word in str(error.value) for word in ("port", "GITHUB_CLIENT_SECRET", "MAIL_SERVER")] == [True] * 3


def test_a_mail_server(tmp_path: Path) -> None:
    found = settings(tmp_path, FLAMBEAU_MAIL_SERVER="smtp+starttls://portal%40acme.com@mail.acme.com",
                     FLAMBEAU_MAIL_PASSWORD="hush", FLAMBEAU_MAIL_FROM="Flambeau <portal@acme.com>",
                     FLAMBEAU_MAIL_LINKS_AN_HOUR="7").mail  # fmt: skip
    assert found is not None
    assert (found.host, found.port, found.security, found.user) == ("mail.acme.com", 587, "starttls", "portal@acme.com")
    assert (found.password.get_secret_value(), found.links_an_hour) == ("hush", 7)
    assert "hush" not in repr(found)
