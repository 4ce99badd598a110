"""Writes rows and ingest progress to ClickHouse."""
