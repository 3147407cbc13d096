"""Webhooks: who is told, how a message is signed and sent, who sends it."""
