"""A durable record of the privacy a device has spent, charged before the work."""
