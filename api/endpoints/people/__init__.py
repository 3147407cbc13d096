"""People over HTTP: logging in, members, invitations, users, identity providers."""
