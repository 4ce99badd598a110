"""A sample account service that emits audit events, and a week of requests to it."""
