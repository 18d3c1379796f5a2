"""Secure aggregation: the server learns a sum and nothing else. The protocol is in docs/secure-aggregation.md.

client.py            the device's state machine; client_setup, client_upload and client_unmask answer one
                     request each, client_checks is what two of them share, client_state is what is kept
server.py, round.py  the server's state machine; recovery.py opens the masks that are left in a sum
messages.py          every message; codec.py is their canonical encoding
policy.py            what a device demands of a plan
layout.py            what is where in a vector; encoding.py clips and rounds it
identity.py          who is who; keys.py derives every key; graph.py says who is whose neighbour
shamir.py            shares; dealing.py seals and checks them; agreement.py seals the answers to unmasking
masking.py           the hot loop: masks and tags; memory.py aligns its arrays
"""
