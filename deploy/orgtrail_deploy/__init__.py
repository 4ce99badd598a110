"""Runs Orgtrail: the command-line tool, the local stack, and the setup of production servers."""
