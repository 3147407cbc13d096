"""Relationships that nobody declared: found by names and types, weighed by data, each with its evidence and a confidence."""
