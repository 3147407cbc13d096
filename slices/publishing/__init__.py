"""What a refresh builds and publishes: plans, guards, files, manifests, versions, rollback."""
