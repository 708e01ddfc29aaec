"""Pages of members as everybody sees them: the list by tier, and one organization's record."""

from __future__ import annotations

from datetime import date

from flask import render_template, url_for
from markupsafe import Markup
from sqlalchemy.orm import Session

from app import answers, charts, pages, parameters
from app.auth import User, access, can, current_user
from app.db import clock_of, current_db
from app.governance.queries import current, is_governed
from app.members import queries
from app.members.models import Membership
from app.members.views.room import blueprint, found_organization
from app.people import queries as people

PEOPLE_SHOWN = 200
MONTHS_SHOWN = 36


@blueprint.get("/")
@access("public")
def overview() -> str:
    """Members by tier on a day, how their number grew, and everybody who is no member."""
    answers.may_share()
    with current_db().read() as session:
        today = clock_of(session).now().date()
        day = parameters.day(today)
        listed = queries.members_on(session, day)
        order = [tier.key for tier in current(session).tiers] if is_governed(session) else []
        groups = [
            (key, members[0].tier.name if members[0].tier else key, members)
            for key in order
            if (members := [one for one in listed if one.membership and one.membership.tier_key == key])
        ]
        labels, growth = queries.growth(session, day, months=MONTHS_SHOWN)
        series = [charts.Series(name, values) for name, values in growth]
        return render_template(
            "members/overview.html",
            day=day,
            today=today,
            groups=groups,
            others=[one for one in listed if one.membership is None],
            chart=charts.stacked_area("Members by tier", labels, series, unit="members") if len(labels) > 1 else "",
            table=charts.figures_table("Members by tier", labels, series) if len(labels) > 1 else "",
            total=sum(one.membership is not None for one in listed),
        )


@answers.own("members.enter", only_with="members.edit")
def way_to_enter() -> str:
    """The way to enter an organization."""
    return Markup('<a class="button" href="{}">Enter an organization</a>').format(url_for("members.new"))


@pages.card(order=40)
def members_card(session: Session, _user: User) -> pages.Card | None:
    """Members of today by tier; nothing while there are none."""
    today = clock_of(session).now().date()
    counted = queries.count_by_tier(session, today)
    if not counted:
        return None
    terms = [(tier.on(today), counted.get(tier.key, 0)) for tier in current(session).tiers]
    tiers = [(term.name, number) for term, number in terms if term and number]
    if not tiers:
        return None
    values = {"tiers": tiers, "total": sum(number for _, number in tiers)}
    return pages.Card("Members", "members/_card.html", values, url=url_for("members.overview"))


@blueprint.get("/<public_id>")
@access("public")
def show(public_id: str) -> str:
    """An organization's record."""
    with current_db().read() as session:
        organization = found_organization(session, public_id)
        today = clock_of(session).now().date()
        memberships = queries.memberships_of(session, organization)
        user = current_user()
        is_staff = can(user, "members.edit").allowed
        keeps = can(user, "members.keep", organization.public_id).allowed
        sees_dues = can(user, "members.dues", organization.public_id).allowed
        answers.may_keep(for_each=not (is_staff or keeps or sees_dues))
        employed = people.people_of(session, organization.id, limit=PEOPLE_SHOWN)
        return render_template(
            "members/organization.html",
            organization=organization,
            member=queries.member_on(session, organization, today),
            memberships=[(one, _tier_names(session, one, today)) for one in memberships],
            domains=queries.domains_of(session, organization),
            related=queries.related_to(session, organization),
            present=[pair for pair in employed if pair[1].ends_on is None or pair[1].ends_on >= today],
            past=[pair for pair in employed if pair[1].ends_on is not None and pair[1].ends_on < today],
            beside=people.people_beside(session, organization.id, today, limit=PEOPLE_SHOWN),
            cards=pages.filled("organization", session, user, organization),
            is_staff=is_staff,
            keeps=keeps,
            proposed=queries.proposals_of(session, organization) if keeps else [],
            sees_dues=sees_dues,
            today=today,
        )


def _tier_names(session: Session, membership: Membership, today: date) -> str:
    """What the tier was called when the membership began and, if it was renamed since, at its end or today."""
    days = (membership.starts_on, min(membership.ends_on or today, today))
    names = [term.name for day in days if (term := queries.term_of(session, membership.tier_key, day))]
    return ", later ".join(dict.fromkeys(names)) or membership.tier_key
