"""What a person likes, learnt on the device from likes and not-for-mes.

``store.Feedback`` keeps it, encrypted; ``taste.Taste`` is what selection asks.
"""
