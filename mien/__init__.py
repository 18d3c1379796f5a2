"""What every floor of the house shares: the errors, safe files, canonical encodings.

Nothing in here knows about faces, models, privacy or Flower.
"""

__version__ = "0.1.0"
