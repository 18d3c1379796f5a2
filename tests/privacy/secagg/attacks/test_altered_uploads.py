"""Somebody between a client and the server alters the vector, or sends another's."""

from __future__ import annotations

import numpy as np
import pytest

from mien.errors import ProtocolError
from privacy.secagg import masking


def uploads(attack):
    """Return an adversary on the wire, with every upload in its hands and none delivered."""
    adversary = attack(6, min_survivors=4)
    adversary.set_up()
    devices, sent = adversary.devices, {}
    for name, request in devices.round.upload_requests("ab" * 32).items():
        adversary.vectors[name] = adversary.vector(name)
        sent[name] = devices.client(name).upload(request, adversary.vector(name))
    return adversary, sent


def finish(adversary):
    devices = adversary.devices
    for name, request in devices.round.unmask_requests().items():
        devices.round.receive_unmask(devices.client(name).unmask(request))
    return devices.round.result()


def test_an_altered_vector_is_refused_and_the_true_one_still_counts(attack):
    adversary, sent = uploads(attack)
    for number, (_name, (header, masked)) in enumerate(sent.items()):
        altered = masked.copy()
        altered[number * 7] += np.uint32(1 << number)
        with pytest.raises(ProtocolError, match="altered on its way"):
            adversary.devices.round.receive_upload(header, altered)
        adversary.devices.round.receive_upload(header, masked)
    np.testing.assert_array_equal(finish(adversary).sum, sum(adversary.vectors.values()))


def test_a_vector_under_another_members_header_is_refused(attack):
    adversary, sent = uploads(attack)
    first, second, *_ = sent.values()
    with pytest.raises(ProtocolError, match="altered on its way"):
        adversary.devices.round.receive_upload(first[0], second[1])


def test_control_without_the_tag_the_altered_vector_shifts_the_sum(attack, monkeypatch):
    monkeypatch.setattr(masking.hmac, "compare_digest", lambda left, right: True)
    adversary, sent = uploads(attack)
    for header, masked in sent.values():
        masked[3] += np.uint32(5)
        adversary.devices.round.receive_upload(header, masked)
    monkeypatch.undo()
    shift = finish(adversary).sum - sum(adversary.vectors.values())
    assert shift[3] == 30
    assert np.count_nonzero(shift) == 1
