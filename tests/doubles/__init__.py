"""Doubles of services that the portal talks to: they speak over a real connection and keep to a description."""
