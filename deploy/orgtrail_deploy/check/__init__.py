"""``orgtrail check``: whether an installation is as it should be, question by question."""
