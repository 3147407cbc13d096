"""Who asks, and what they may: principals, keys, tokens, permissions, whom a scope reaches."""
