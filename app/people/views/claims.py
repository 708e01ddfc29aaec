"""Staff settle whose a login or an address is that two accounts proved."""

from __future__ import annotations

from typing import Any

from flask import abort
from sqlalchemy.orm import Session

from app.auth import access
from app.checks import Broken
from app.db import current_db
from app.forms import Field
from app.people import queries
from app.people.forms import SettleForm
from app.people.models import Person, Proof
from app.people.views.records import REASON, ask_about, blueprint, keeps_seats


@blueprint.route("/claims/<public_id>", methods=["GET", "POST"])
@access("people.decide")
def settle(public_id: str) -> Any:
    """Decide whose a login or an address is that two accounts proved."""
    with current_db().read() as session:
        proof = queries.proof_by_public_id(session, public_id) or abort(404)
        person = queries.canonical(session, session.get_one(Person, proof.person_id))
    choices = [
        ("", ""),
        ("yes", f"{queries.shown_name(person)}’s, who proved it last"),
        ("no", "the other’s, as before"),
    ]
    fields = [Field("is_theirs", f"{proof.shown} is", "select", "", True, choices), REASON]

    def both_may_be_decided(session: Session, proof: Proof) -> Broken:
        return keeps_seats(session, "is_theirs", *queries.claimants(session, proof))

    return ask_about(person, "Whose is it?", "Decide", fields, SettleForm, queries.settle, rules=[both_may_be_decided],
                     finders={"is_theirs": lambda _session, text: text == "yes"},
                     given=lambda session: {"proof": session.get_one(Proof, proof.id)},
                     lead="It signs in whoever has it, and work under it is theirs.",
                     said="It is decided; work under it is counted again.")  # fmt: skip
