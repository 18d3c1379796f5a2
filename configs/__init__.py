"""Run configs: the TOML files and their schema."""
