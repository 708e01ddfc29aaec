"""Affiliation files: read, shown, applied, undone; a wrong line changes nothing."""

from __future__ import annotations

import doctest
from datetime import date
from io import BytesIO

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from app import auth
from app.audit import Actor, AuditEntry, verify
from app.imports import queries, reading_files, yaml_files
from app.imports.formats import READERS, parse
from app.imports.models import Import, ImportMade, ImportState, ModuleKeeper
from app.imports.rules import FileKind, claims, gitdm, others
from app.members import queries as members
from app.members.models import Membership, Organization, OrganizationDomain, Proposal
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people.models import Affiliation, Employment, IdentityPerson, Person
from app.people.rules import StatementSource

US = Actor.system("test")
ADA, ADA_HOME = ("git", "Ada Lovelace", "ada@acme.com", ""), ("git", "Ada", "al@home.org", "")
BO, LOGIN = ("git", "Bo Diddley", "bo@blue.org", ""), ("github", "", "", "cyrus")
STACKALYTICS = """{
  "companies": [
    {"company_name": "Acme", "domains": ["acme.com"], "aliases": ["Acme Old"]},
    {"company_name": "*independent", "domains": [""]}
  ],
  "users": [
    {"user_name": "Ada", "emails": ["ada@acme.com", "al@home.org"], "companies": [
      {"company_name": "*independent", "end_date": "2015-Jun-30"},
      {"company_name": "ACME OLD", "end_date": null}]},
    {"user_name": "Nobody Here", "emails": ["x@elsewhere.org"], "companies": [
      {"company_name": "Elsewhere", "end_date": null}]}
  ]
}
"""
LANDSCAPE = """landscape:
  - category:
    name: Our Members
    subcategories:
      - subcategory:
        name: %s
        items:
          - item:
            name: Acme Corp. (member)
            homepage_url: https://www.acme.com/
            joined: '2025-02-01'
  - category:
    name: Projects
    subcategories: []
"""
GOOD = {
    FileKind.GITDM_MAP: "# map\nacme.com  Acme\nbo!blue.org  Blue Ltd. < 2020-01-01\nbo@blue.org  (self)\n",
    FileKind.GITDM_ALIASES: "al@home.org ada@acme.com\n",
    FileKind.GITDM_GROUP: "bo@blue.org\n",
    FileKind.CNCF_AFFILIATIONS: "Ada: ada!acme.com, cyrus!users.noreply.github.com\n\tAcme until 2020-01-01\n",
    FileKind.STACKALYTICS: STACKALYTICS,
    FileKind.MAILMAP: "Ada Lovelace <ada@acme.com> Ada <al@home.org>\n",
    FileKind.CODEOWNERS: "/csrc/ops/ @cyrus ada@acme.com @team/x\n",
    FileKind.OWNERS: "approvers:\n- cyrus\nreviewers:\n- ada@acme.com\n",
    FileKind.LANDSCAPE: LANDSCAPE % "Platinum",
}
WRONG = {
    FileKind.GITDM_MAP: ("acme.com Acme\nacme.com\nblue.org Blue < soon\n@@ Acme\n@ Blue\n", [2, 3, 4, 5]),
    FileKind.GITDM_ALIASES: ("al@home.org ada@acme.com\nalone\n", [2]),
    FileKind.GITDM_GROUP: ("bo@blue.org\nno address\n", [2]),
    FileKind.CNCF_AFFILIATIONS: ("\tAcme\nAda: ada!acme.com\n\tAcme from 2020-02-30\n", [1, 3]),
    FileKind.STACKALYTICS: (STACKALYTICS.replace("2015-Jun-30", "in June").replace("{\n ", "{\n\n ", 1), [8]),
    FileKind.MAILMAP: ("Ada <ada@acme.com> <al@home.org>\nAda ada@acme.com\n", [2]),
    FileKind.CODEOWNERS: ("/csrc @ada\n/docs ada\n", [2]),
    FileKind.OWNERS: ("approvers:\n- 7\n", [2]),
    FileKind.LANDSCAPE: (LANDSCAPE.replace("2025-02-01", "lately") % "Gold", [11]),
}  # fmt: skip


def test_every_format_is_tried_well_and_badly():
    assert set(GOOD) == set(WRONG) == set(FileKind) == set(READERS)


@pytest.mark.parametrize("module", [claims, gitdm, others, yaml_files, reading_files])
def test_examples_in_the_docstrings_hold(module):
    result = doctest.testmod(module)
    assert (result.failed, result.attempted > 0) == (0, True)


def peopled(db):
    with db.write() as session:
        ids = people.intern_identities(session, [ADA, ADA_HOME, BO, LOGIN])
        people.resolve(session)
        members.create_organization(session, "ACME Corporation", kind=OrganizationKind.COMPANY, actor=US, reason="Is.")
        return ids


@pytest.fixture
def here(governed):
    return peopled(governed)


def given_file(session, kind, text, **more):
    name = "csrc/ops/OWNERS" if kind is FileKind.OWNERS else "a-file"
    organization = "Blue" if kind is FileKind.GITDM_GROUP else ""
    return queries.give_file(session, kind, name, text, organization=organization, actor=US, **more)


def everything(session):
    """All that an import may change, without what only says when and by whom."""
    tables = (
        (Organization.id, Organization.name),
        (OrganizationDomain.domain, OrganizationDomain.organization_id),
        (Membership.organization_id, Membership.tier_key),
        (Proposal.organization_id, Proposal.domain),
        (Employment.person_id, Employment.organization_id, Employment.starts_on, Employment.ends_on),
        (ModuleKeeper.module_key, ModuleKeeper.identity_id),
    )
    rows = [sorted((tuple(row) for row in session.execute(sa.select(*columns))), key=str) for columns in tables]
    standing = sa.select(Affiliation.person_id, Affiliation.organization_id).where(Affiliation.withdrawn_at.is_(None))
    persons = sa.select(IdentityPerson.identity_id, IdentityPerson.person_id).where(
        IdentityPerson.identity_id.in_(sa.select(sa.literal_column("1")).union(*[sa.select(sa.literal_column(str(n)))
                                                                                for n in range(2, 5)]))
    )  # fmt: skip
    return rows, sorted(map(tuple, session.execute(standing)), key=str), sorted(map(tuple, session.execute(persons)))


@pytest.mark.parametrize("kind", list(FileKind))
def test_a_file_is_applied_and_undone_as_a_whole(governed, here, kind):
    with governed.write() as session:
        before = everything(session)
        one = given_file(session, kind, GOOD[kind])
        plan = queries.plan_of(session, one)
        assert everything(session) == before
        assert (plan.problems, bool(plan.changes)) == ([], True)
        queries.apply_import(session, one, actor=US, reason="A test.")
        assert everything(session) != before
        assert (one.state, one.text, one.changes) == (ImportState.APPLIED, "", len(plan.changes))
        again = given_file(session, kind, GOOD[kind])
        assert [change.text for change in queries.plan_of(session, again).changes if change.kind != "keeper"] == []
        queries.undo_import(session, one, actor=US, reason="It was a test.")
        after = everything(session)
        # An organization that a withdrawn statement names stays: its history would lose its name.
        if kind in (FileKind.GITDM_MAP, FileKind.GITDM_GROUP):
            after[0][0].remove(next(row for row in after[0][0] if row[1].startswith("Blue")))
        assert after == before
        assert verify(session).ok


@pytest.mark.parametrize("kind", list(FileKind))
def test_every_wrong_line_is_told_and_nothing_is_changed(governed, here, kind):
    text, lines = WRONG[kind]
    with governed.write() as session:
        before = everything(session)
        one = given_file(session, kind, text)
        assert sorted({wrong.line for wrong in queries.plan_of(session, one).problems}) == lines
        with pytest.raises(queries.ImportRefusedError, match=f"line {lines[0]}"):
            queries.apply_import(session, one, actor=US, reason="A test.")
        assert everything(session) == before


def test_a_date_ends_a_line_the_day_before_and_the_next_line_begins_on_it(governed_each):
    ids = peopled(governed_each)
    with governed_each.write() as session:
        queries.apply_import(session, given_file(session, FileKind.GITDM_MAP, GOOD[FileKind.GITDM_MAP]), actor=US,
                             reason="A test.")  # fmt: skip
        bo = session.get_one(IdentityPerson, ids[BO]).person_id
        rows = session.scalars(sa.select(Employment).where(Employment.person_id == bo).order_by(Employment.starts_on))
        found = [(row.organization_id is None, row.starts_on, row.ends_on, row.source, row.confidence) for row in rows]
    source = StatementSource.IMPORT
    assert found == [(False, date(1970, 1, 1), date(2019, 12, 31), source, 70),
                     (True, date(2020, 1, 1), None, source, 70)]  # fmt: skip


def test_a_persons_own_word_outranks_a_file(governed, here):
    with governed.write() as session:
        ada = session.get_one(Person, session.get_one(IdentityPerson, here[ADA]).person_id)
        people.state(session, ada, None, starts_on=date(2010, 1, 1), source=StatementSource.SELF, actor=US)
        queries.apply_import(session, given_file(session, FileKind.STACKALYTICS, STACKALYTICS), actor=US, reason="x")
        last = session.scalars(
            sa.select(Employment).where(Employment.person_id == ada.id).order_by(Employment.starts_on.desc())
        ).first()
        assert (last.organization_id, last.source) == (None, StatementSource.SELF)


def test_a_file_never_joins_two_people_who_can_sign_in(governed, here):
    with governed.write() as session:
        for wording in (ADA, ADA_HOME):
            person = session.get_one(Person, session.get_one(IdentityPerson, here[wording]).person_id)
            person.claimed_at = session.info["flambeau_clock"].now()
        session.flush()
        plan = queries.plan(session, parse(FileKind.MAILMAP, GOOD[FileKind.MAILMAP]))
        assert (plan.changes, len(plan.notes)) == ([], 1)


def test_freemail_is_nobodys_and_anothers_domain_is_left_alone(governed, here):
    with governed.write() as session:
        acme = session.scalars(sa.select(Organization)).one()
        members.add_domain(session, acme, "acme.com", starts_on=date(2020, 1, 1), actor=US, reason="Theirs.")
        text = "gmail.com Acme Corp\nacme.com Blue\nco.uk Acme\n"
        plan = queries.plan(session, parse(FileKind.GITDM_MAP, text))
        assert ([note.line for note in plan.notes], plan.changes) == ([1, 2, 3], [])


@given(st.sampled_from(list(FileKind)), st.text(max_size=200))
def test_no_text_breaks_a_reader(kind, text):
    found = parse(kind, text, name="x/OWNERS", organization="Acme")
    assert all(wrong.text for wrong in found.problems)


@pytest.fixture
def staff(client, signed_in):
    seat = auth.HeldSeat(body="administration", seat="staff", kind="staff")
    return signed_in(client, "p_staff", seat, name="Sam Staff")


def upload(client, text, **form):
    data = {"kind": "gitdm-map", "confidence": "70", **form, "file": (BytesIO(text), "domain-map")}
    return client.post("/imports/", data=data, content_type="multipart/form-data")


def test_staff_see_a_files_changes_make_them_and_undo_them(staff, governed, here):
    sent = upload(staff, b"acme.com Acme\nada@acme.com Acme\n")
    page = staff.get(sent.headers["Location"]).text
    assert "acme.com is Acme’s" in page
    assert "Ada Lovelace works for Acme" in page
    url = sent.headers["Location"]
    assert staff.post(f"{url}/apply", data={"reason": " "}).status_code == 422
    assert staff.post(f"{url}/apply", data={"reason": "From upstream."}).status_code == 302
    assert staff.post(f"{url}/apply", data={"reason": "Again."}).status_code == 422
    with governed.read() as session:
        one = session.scalars(sa.select(Import)).one()
        actions = session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.number.desc()).limit(2)).all()
        assert "imports.apply" in actions
        assert session.scalar(sa.select(sa.func.count(ImportMade.id))) == 1
    form = {"reason": "Not ours.", "version": one.version}
    assert staff.post(f"{url}/undo", data=form).status_code == 302
    assert "Undone" in staff.get(url).text


def test_a_wrong_file_is_shown_with_its_lines_and_cannot_be_applied(staff, here, governed):
    url = upload(staff, b"acme.com\n<script>alert(1)</script>\n").headers["Location"]
    page = staff.get(url).text
    assert "2 lines are wrong" in page
    assert "<script>alert" not in page
    assert staff.post(f"{url}/apply", data={"reason": "x"}).status_code == 422
    assert staff.post(f"{url}/throw-away").status_code == 302
    assert staff.get(url).status_code == 404
    with governed.read() as session:
        told = sa.select(AuditEntry.action).order_by(AuditEntry.number.desc())
        assert session.scalars(told.limit(1)).one() == "imports.throw_away"


def test_a_file_that_is_no_text_or_too_large_is_refused(staff, here, monkeypatch):
    monkeypatch.setattr("app.imports.queries.applying.MOST_BYTES", 1024)
    assert "line 2 is no UTF-8" in upload(staff, b"a b\n\xff\xfe").text
    assert "lines 1 and 3 are no UTF-8" in upload(staff, b"M\xfcller b\na b\nR\xf6t c\n").text
    assert "give it in parts" in upload(staff, b"acme.com Acme\n" * 100).text
    assert "from 1 to 90" in upload(staff, b"acme.com Acme", confidence="100").text
    assert upload(staff, b"x@y.org", kind="gitdm-group").status_code == 422


def test_files_that_wait_have_a_bound_together(staff, here, app):
    house = app.extensions["flambeau"]
    house.settings = house.settings.model_copy(update={"drafts_mb": 0.001})
    first = upload(staff, ("é" * 400 + "\n").encode())
    assert first.status_code == 302
    assert "drafts hold 0.0 of 0 MB (FLAMBEAU_DRAFTS_MB)" in upload(staff, b"acme.com Acme\n" * 20).text
    staff.post(f"{first.headers['Location']}/throw-away")
    assert upload(staff, b"acme.com Acme\n" * 20).status_code == 302


OWNERS, ALIASES = "approvers:\n- Ops-Leads\n", "aliases:\n  ops-leads:\n  - cyrus\n  - ada@acme.com\n"


def test_owners_is_read_with_whom_its_groups_stand_for(staff, governed, here):
    files = {"aliases": (BytesIO(ALIASES.encode()), "OWNERS_ALIASES")}
    sent = upload(staff, OWNERS.encode(), kind="owners", name="csrc/ops/OWNERS", **files)
    page = staff.get(sent.headers["Location"]).text
    assert "Ada Lovelace is named as maintainer of" in page
    assert page.count("is named as maintainer of") == 2
    files = {"aliases": (BytesIO(b"aliases:\n  ops-leads:\n  - 7\n"), "OWNERS_ALIASES")}
    wrong = upload(staff, OWNERS.encode(), kind="owners", name="csrc/ops/OWNERS", **files)
    assert "OWNERS_ALIASES, line 3: 7 is no login" in staff.get(wrong.headers["Location"]).text
    files = {"aliases": (BytesIO(b"ops-leads"), "OWNERS_ALIASES")}
    assert "belongs beside an OWNERS alone" in upload(staff, b"acme.com Acme\n", **files).text


def test_the_command_reads_the_aliases_too(app, governed, here, tmp_path):
    owners, aliases = tmp_path / "OWNERS", tmp_path / "OWNERS_ALIASES"
    owners.write_text(OWNERS)
    aliases.write_text(ALIASES)
    run = app.test_cli_runner().invoke
    told = run(args=["people", "import", str(owners), "--kind", "owners", "--name", "csrc/ops/OWNERS",
                     "--aliases", str(aliases)])  # fmt: skip
    assert told.output.count("is named as maintainer of") == 2
    assert "OWNERS alone" in run(args=["people", "import", str(owners), "--kind", "mailmap", "--aliases",
                                       str(aliases)]).stderr  # fmt: skip


def test_visitors_see_no_files_of_affiliations(app):
    assert app.test_client().get("/imports/").status_code == 302


def test_the_command_shows_first_and_changes_when_told(app, governed, here, tmp_path):
    file = tmp_path / ".mailmap"
    file.write_text(GOOD[FileKind.MAILMAP])
    run = app.test_cli_runner().invoke
    shown = run(args=["people", "import", str(file), "--kind", "mailmap"])
    assert f"{file}:1: Ada and Ada Lovelace are one person" in shown.output
    assert "Nothing is changed" in shown.output
    made = run(args=["people", "import", str(file), "--kind", "mailmap", "--apply"])
    key = made.output.split()[-1]
    with governed.read() as session:
        assert session.get_one(IdentityPerson, here[ADA]).person_id == session.get_one(
            IdentityPerson, here[ADA_HOME]).person_id  # fmt: skip
    assert "is undone" in run(args=["people", "undo-import", key]).output
    assert run(args=["people", "undo-import", key]).exit_code == 1
    file.write_text("Ada ada@acme.com\n")
    wrong = run(args=["people", "import", str(file), "--kind", "mailmap", "--apply"])
    assert (wrong.exit_code, f"{file}:1:" in wrong.stderr) == (1, True)


def test_a_module_shows_whom_a_file_names(staff, governed, here):
    with governed.write() as session:
        plan = queries.apply_import(session, given_file(session, FileKind.CODEOWNERS, GOOD[FileKind.CODEOWNERS]),
                                    actor=US, reason="A test.")  # fmt: skip
        module = plan.changes[0].module
    assert "Named in files" in staff.get(f"/modules/{module}").text
