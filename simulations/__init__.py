"""Many clients on one machine: engines, fault plans, run folders."""
