"""Tables of GitHub as a source: what its webhooks brought, and which numbers must be read again."""

from app.github.models.hooks import Delivery, DeliveryState, NumberDue

__all__ = ["Delivery", "DeliveryState", "NumberDue"]
