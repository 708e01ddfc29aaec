"""Modules: which paths belong together, and who maintains them."""
