"""The adviser as a local web server: a page and an HTTP interface on the loopback address, and nowhere else.

This is the only part of ``recommend`` that knows sockets; an import contract keeps it so.
"""
