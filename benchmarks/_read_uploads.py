"""Read malformed uploads in a process of its own and say of each what came of it: one JSON line an upload.

python benchmarks/_read_uploads.py COUNT SEED. A line ``{"begin": …}`` stands before each upload, so that whoever
started this process knows which one it was, should a decoder take the process down. Memory is limited.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings

from _malformed_uploads import uploads

from faces.images import load_image
from mien.errors import MienError
from recommend.adviser import advise
from recommend.look import card_to_json, reading_to_json
from recommend.reading.reading import read_face

MEMORY = 3 * 1024**3  # address space, most of it libraries; a decoded 200-megapixel picture does not fit


def main() -> None:
    """Read every upload and print what came of it."""
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    warnings.simplefilter("error")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for index, upload in enumerate(uploads(count, seed)):
        print(json.dumps({"begin": upload.name, "index": index}), flush=True)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started, worked = time.monotonic(), time.process_time()
        try:
            reading = read_face([load_image(upload.content)])
            json.dumps([reading_to_json(reading), *map(card_to_json, advise(reading).cards)], allow_nan=False)
            outcome, message = "read", ""
        except MienError as error:
            outcome, message = type(error).__name__, str(error)
        except BaseException as error:  # what must not happen is reported, not raised
            outcome, message = f"CRASH {type(error).__name__}", str(error)
        line = {
            "name": upload.name,
            "outcome": outcome,
            "expected": upload.must,
            "message": message,
            "cpu_seconds": round(time.process_time() - worked, 3),
            "seconds": round(time.monotonic() - started, 3),
            "memory_grew_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024,
        }
        print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
