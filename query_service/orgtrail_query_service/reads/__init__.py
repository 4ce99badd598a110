"""From filters and pages to SQL and back."""
