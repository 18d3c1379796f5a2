"""From DP events to epsilon, and from a target epsilon to noise."""
