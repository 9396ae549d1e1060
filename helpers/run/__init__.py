"""Runs of the notebooks and of what they read, their report, and the README."""
