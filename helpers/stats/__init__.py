"""Intervals and the statistics that they are about."""
