"""The command `mien`: thin, no logic of its own."""
