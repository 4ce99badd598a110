"""Backups of ClickHouse's tables, and the way back from one without losing an event."""
