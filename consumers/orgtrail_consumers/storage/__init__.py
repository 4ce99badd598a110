"""Rows written to ClickHouse, and how far ingestion has come."""
