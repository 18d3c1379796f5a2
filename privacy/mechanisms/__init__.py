"""Clipping and discrete noise for updates that are summed securely."""
