"""The page: server-rendered, plain links and GET forms."""
