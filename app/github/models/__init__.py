"""Tables of GitHub as a source: which repository is which there, what its webhooks brought, and what to read again."""

from app.github.models.connections import NOTHING_SET, GithubConnection, GithubStream, StreamKind
from app.github.models.hooks import Delivery, DeliveryState, NumberDue

__all__ = ["NOTHING_SET", "Delivery", "DeliveryState", "GithubConnection", "GithubStream", "NumberDue", "StreamKind"]
