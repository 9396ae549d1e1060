"""Helpers of the workbook: one module per thing, see README.md."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout: data/ and notebooks/ stand beside helpers/."""
