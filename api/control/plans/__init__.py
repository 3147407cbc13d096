"""Plans: tiers, subscriptions, and what a tenant may do by them, which every door asks."""
