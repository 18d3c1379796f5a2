"""Claims beside evidence: checks that recompute what a run promised and spent."""
