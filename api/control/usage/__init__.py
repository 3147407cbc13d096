"""Usage: journalled as it happens, counted once, reported by tenant and time."""
