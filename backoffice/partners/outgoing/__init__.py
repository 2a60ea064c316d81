"""Webhooks to partners: endpoints, deliveries from the outbox, attempts. Knows no seller and no payout; signs after Standard Webhooks 1.0."""
