"""How much the server takes in, holds and waits for. Everything that could grow has a limit here."""

from __future__ import annotations

import dataclasses
import os

MEGABYTE = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Limits:
    """The server's limits; sizes are bytes, times are seconds.

    ``photo_pixels`` is checked from a picture's header, before a pixel is decoded. ``in_flight_bytes`` is
    what the bodies of all requests together may take in memory.
    """

    photo_bytes: int = 32 * MEGABYTE
    photo_pixels: int = 50_000_000
    photos: int = 5
    upload_bytes: int = 96 * MEGABYTE
    json_bytes: int = 256 * 1024
    frame_bytes: int = 2 * MEGABYTE
    frame_side: int = 640
    in_flight_bytes: int = 256 * MEGABYTE
    body_seconds: float = 30.0

    workers: int = dataclasses.field(default_factory=lambda: max(1, min(4, os.cpu_count() or 1)))
    waiting: int = 24
    waiting_frames: int = 2
    job_seconds: float = 20.0
    worker_memory: int = 3072 * MEGABYTE

    readings: int = 8
    idle_seconds: float = 15 * 60.0
    tickets: int = 16
    ticket_seconds: float = 120.0
    view_side: int = 1600
