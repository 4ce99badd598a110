"""The routes below /v1, and the API's description."""
