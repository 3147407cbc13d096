"""What a tenant's pages look like: name, logos, colours, font; its own, else of the tenant above it, else of the workspace."""
