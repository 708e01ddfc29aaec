"""Builds: commits become wheels on runners, per hardware target, with their logs and evidence."""
