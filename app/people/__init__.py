"""People: identities as written, decisions about them, and whom they worked for when."""
