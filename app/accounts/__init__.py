"""Accounts: the ways to sign in, what each of them proves, and what a person added or let go of."""
