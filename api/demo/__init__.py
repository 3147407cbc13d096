"""The demo: a real PostgreSQL that it starts itself, a believable subscription business in it, and Slicehouse over it."""
