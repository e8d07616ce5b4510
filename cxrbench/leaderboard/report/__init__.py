"""The page of a board: one HTML file that opens anywhere, without a server, a request or a script."""
