"""People: who they are, where they are members, how they log in."""
