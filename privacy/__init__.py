"""Privacy: private local training, noise, accounting, the ledger, secure aggregation, audit."""
