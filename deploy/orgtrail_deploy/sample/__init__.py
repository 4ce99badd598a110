"""A sample account service that emits audit events, and the week that it is asked to record."""
