"""What all findings share: their shape, tables, parameters, items, records and verdicts."""
