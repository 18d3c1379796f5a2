"""The coordinator: the Flower ServerApp, cohorts, rounds, aggregation, checkpoints."""
