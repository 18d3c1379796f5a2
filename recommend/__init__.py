"""Advice on the device: read a face, match rules, explain, draw. Opens no outbound connection."""
