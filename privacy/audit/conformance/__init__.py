"""Does this build do what its accounting is told? Checks of the real parts, and faults that they must find."""
