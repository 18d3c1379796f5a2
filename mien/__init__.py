"""What every floor of the house shares: the errors, safe files, and how parts ride in a message.

Nothing in here knows about faces, models or privacy.
"""

__version__ = "0.1.0"
