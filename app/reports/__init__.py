"""Yearly reports: for the board and for each organization, to be read, printed, and taken away as PDF."""
