"""Who may read ``audit.events`` with SQL: a list that operators keep, and servers equal to it."""
