"""The API from a terminal: orgtrail query and orgtrail export."""
