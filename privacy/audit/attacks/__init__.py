"""Attacks on a run and on this build: one file and one registration each (see ``registry``)."""
