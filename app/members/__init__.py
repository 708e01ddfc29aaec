"""Organizations, their memberships, domains and groups of related companies."""
