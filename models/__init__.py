"""The networks and losses, behind one registry."""
