"""Screenshots of the documentation, from the published leaderboard."""
