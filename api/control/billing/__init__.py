"""Billing by Stripe: what it tells of subscriptions, and what it is told of usage."""
