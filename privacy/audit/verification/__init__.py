"""`mien audit verify`: everything that can be recomputed of a run, recomputed by code that trusts no writer.

folder.py       the run folder as bytes; lines with their offsets
chain.py        the transcript's and the ledgers' chains and signatures
wire.py         what clients signed, parsed anew
rounds.py       plans, sessions, survivors, thresholds, abort reasons
traffic.py      what left and what was sent, against the allow-list and the metrics
spending.py     ε by two accountants, from the plans
ledgers.py      what devices paid, against the plans
receipts.py     what ledgers answered, as the coordinator kept it
checkpoints.py  weights on the disk, against the rounds' results
seal.py         the report's signature, its list of files, its place among earlier reports
figures.py      every figure of the report
findings.py     what was found, where, and its exit code
run.py          all of it, in order
"""
