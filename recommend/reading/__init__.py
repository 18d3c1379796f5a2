"""Reading a face from photographs: measures with intervals, and *undecided* where they do not tell."""
