"""Write the known-answer vectors of secure aggregation: ``python tests/vectors/generate_secagg.py [FILE]``.

Everything comes from the product's code under a repeatable source, secrets included, so that another
implementation can check itself byte for byte. ``verify_secagg.py`` is one; it shares no code with this.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update
from privacy.randomness import TestOnlySource
from privacy.secagg import agreement, masking, shamir
from privacy.secagg.client import SecAggClient
from privacy.secagg.graph import Graph
from privacy.secagg.identity import Identity
from privacy.secagg.keys import Session, mask_private, public_of
from privacy.secagg.policy import SecAggPolicy
from privacy.secagg.server import SecAggServer

FILE = Path(__file__).with_name("secagg-v1.json")
POLICY = SecAggPolicy(min_cohort=2, min_neighbours=2, min_survivors=2, security_bits=0)


def key_vectors(source: TestOnlySource) -> list[dict[str, Any]]:
    """Return pairwise keys, as both members derive them, and self-mask keys."""
    vectors = []
    for number in range(3):
        session = Session(f"run-{number}", number + 1, source.bytes(32))
        left, seed, self_seed = source.bytes(32), shamir.random_element(source), shamir.random_element(source)
        right = mask_private(seed)
        vectors.append(
            {
                "run": session.run,
                "round": session.round,
                "session": session.id.hex(),
                "alice_private": left.hex(),
                "bob_mask_seed": seed.hex(),
                "bob_private": right.hex(),
                "bob_public": public_of(right).hex(),
                "channel": session.channel_key(left, public_of(right), "alice", "bob").hex(),
                "pairwise_mask": session.mask_key(right, public_of(left), "bob", "alice").hex(),
                "upload": session.upload_key(left, public_of(right), "alice").hex(),
                "self_seed": self_seed.hex(),
                "self_mask": session.self_mask_key(self_seed, "alice").hex(),
            }
        )
    return vectors


def share_vectors(source: TestOnlySource) -> list[dict[str, Any]]:
    """Return secrets and their shares."""
    vectors = []
    for threshold, points in (
        (1, [1]),
        (2, [1, 2, 3]),
        (5, [2, 3, 5, 8, 13, 21, 34]),
        (9, list(range(1, 14))),
    ):
        secret = shamir.random_element(source)
        shares = shamir.split(secret, threshold, points, source)
        vectors.append(
            {
                "secret": secret.hex(),
                "threshold": threshold,
                "shares": {str(point): share.hex() for point, share in zip(points, shares, strict=True)},
            }
        )
    return vectors


def graph_vectors(source: TestOnlySource) -> list[dict[str, Any]]:
    """Return neighbourhoods of cohorts with even and odd degrees, sparse and full."""
    vectors = []
    for cohort, degree in ((7, 6), (11, 4), (12, 5), (16, 6)):
        plan_hash, roster = source.bytes(32), tuple(source.bytes(32) for _ in range(cohort))
        graph = Graph(cohort, degree, plan_hash, roster)
        vectors.append(
            {
                "cohort": cohort,
                "degree": degree,
                "plan_session_hash": plan_hash.hex(),
                "roster": [one.hex() for one in roster],
                "neighbours": [list(graph.neighbours(member)) for member in range(cohort)],
            }
        )
    return vectors


def mask_vectors(source: TestOnlySource) -> list[dict[str, Any]]:
    """Return short masks in full, and the last words of one that is longer than two blocks."""
    vectors = []
    for bits, length in ((32, 9), (64, 5), (32, 2 * masking.BLOCK // 4 + 3), (64, masking.BLOCK // 8 + 2)):
        key = source.bytes(32)
        words = masking.expand(key, length, bits)
        vectors.append(
            {
                "key": key.hex(),
                "bits": bits,
                "length": length,
                "last_words": [str(word) for word in words[-5:]],
            }
        )
    return vectors


def agreement_vectors(source: TestOnlySource) -> list[dict[str, Any]]:
    """Return the token of a neighbour, the pad and check it makes, and a sealed reply that it helps to open."""
    owner, view, threshold = "alice", source.bytes(32), 2
    near = [
        agreement.Neighbour(name, point, source.bytes(32))
        for name, point in (("bob", 2), ("carol", 3), ("dan", 9))
    ]
    payload = source.bytes(66)
    sealed = agreement.seal(owner, view, threshold, near, payload, source)
    return [
        {
            "owner": owner,
            "view": view.hex(),
            "threshold": threshold,
            "neighbours": [
                {
                    "name": one.name,
                    "point": one.point,
                    "channel_key": one.channel_key.hex(),
                    "vouches_with": agreement.token(one.channel_key, owner, view).hex(),
                    "is_given": token.hex(),
                    "piece": piece.hex(),
                }
                for one, piece, token in zip(near, sealed.pieces, sealed.tokens, strict=True)
            ],
            "sealed": sealed.payload.hex(),
            "payload": payload.hex(),
        }
    ]


def plan_of(names: tuple[str, ...], bits: int, neighbours: int, threshold: int) -> RoundPlan:
    """Return the plan of a small round."""
    return RoundPlan(
        run="vectors",
        round=1,
        purpose="known-answers",
        mode="silo",
        model="none",
        model_hash=None,
        cohort=names,
        training=LocalTraining(
            steps=1, sampling_rate=0.5, divisor=1.0, photos_per_record=1, learning_rate=0.1
        ),
        update=Update(clipping_norm=1.0, scale=1 << 12),
        secagg=SecureAggregation(
            vector_length=6,
            field_bits=64 if bits == 64 else 32,
            neighbours=neighbours,
            threshold=threshold,
            min_survivors=4,
        ),
    )


def round_vectors(
    source: TestOnlySource, bits: int, size: int, neighbours: int, threshold: int
) -> dict[str, Any]:
    """Return one whole round, secrets and messages, in which the third member is lost after its set-up."""
    names = tuple(f"device-{index}" for index in range(size))
    server = SecAggServer.create(Identity.generate(source), source)
    clients = {
        name: SecAggClient.create(name, Identity.generate(source), server.identity.public_key, POLICY, source)
        for name in names
    }
    members: dict[str, dict[str, Any]] = {name: {} for name in names}
    for name, client in clients.items():
        members[name]["enrolment"] = client.enrol("vectors").hex()
        server.enrol(bytes.fromhex(members[name]["enrolment"]))
        (prekeys,) = client._state.prekeys
        members[name] |= {
            "identity_secret": client.identity.to_bytes().hex(),
            "channel_private": prekeys.channel_private.hex(),
            "mask_seed": prekeys.mask_seed.hex(),
        }
    secure_round = server.begin(plan_of(names, bits, neighbours, threshold))
    run_private = secure_round._run_private
    for name, request in secure_round.setup_requests().items():
        reply = clients[name].setup(request)
        secure_round.receive_setup(reply)
        session = clients[name]._state.session("vectors", 1)
        members[name] |= {"setup_request": request.hex(), "setup_reply": reply.hex()}
        members[name]["self_seed"] = session.self_seed.hex() if session else ""
    lost = names[2]
    for name, request in secure_round.upload_requests("cd" * 32).items():
        members[name]["upload_request"] = request.hex()
        if name == lost:
            continue
        vector = (source.uint32(6) % 2001).astype(f"<i{bits // 8}") - 1000
        header, masked = clients[name].upload(request, vector)
        secure_round.receive_upload(header, masked)
        members[name] |= {
            "vector": [int(value) for value in vector],
            "upload_header": header.hex(),
            "masked": masked.tobytes().hex(),
        }
    for name, request in secure_round.unmask_requests().items():
        reply = clients[name].unmask(request)
        secure_round.receive_unmask(reply)
        members[name] |= {"unmask_request": request.hex(), "unmask_reply": reply.hex()}
    result = secure_round.result()
    return {
        "server_secret": server.identity.to_bytes().hex(),
        "run_private": run_private.hex(),
        "members": members,
        "lost_before_upload": [lost],
        "sum": [int(value) for value in result.sum],
        "survivors": list(result.survivors),
        "masks_expanded": result.masks_expanded,
    }


def vectors() -> dict[str, Any]:
    """Return all vectors."""
    return {
        "protocol": "mien secagg",
        "version": 1,
        "note": "made with a repeatable source: these secrets protect nothing",
        "keys": key_vectors(TestOnlySource(1, "keys")),
        "shares": share_vectors(TestOnlySource(1, "shares")),
        "graphs": graph_vectors(TestOnlySource(1, "graphs")),
        "masks": mask_vectors(TestOnlySource(1, "masks")),
        "agreement": agreement_vectors(TestOnlySource(1, "agreement")),
        "rounds": [
            round_vectors(TestOnlySource(1, "full"), 32, 7, 6, 5),
            round_vectors(TestOnlySource(1, "sparse"), 64, 8, 4, 3),
        ],
    }


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    target.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
