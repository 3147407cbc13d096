"""The routing under review, and the one that was accepted."""
