"""The ledger: a device's durable record of what its data has paid for, charged before the work.

``Ledger`` in ``ledger`` pays and refuses; ``records`` are the lines, ``storage`` the files and the crashes,
``report`` what a person or an auditor reads. The format is described in docs/ledger.md.
"""
