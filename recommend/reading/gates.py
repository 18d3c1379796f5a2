"""Limits that decide whether a measure of a photo can be trusted; each with where it comes from."""

from __future__ import annotations

# Degrees of head turn beyond which ratios across the face shrink noticeably (cos 12° = .978).
YAW_LIMIT = 12.0
PITCH_LIMIT = 15.0
# (37–41 + 38–40) / (2 · 36–39) below which eyes count as closed; the 1st percentile of the reference is above.
CLOSED_EYES = 0.15
# Height of the opening between the lips over the width of the mouth.
OPEN_MOUTH = 0.06
