"""Open, gate, answer: from a statement and a slice to bytes."""
