"""Helpers of the workbook: one module per thing, see README.md."""
