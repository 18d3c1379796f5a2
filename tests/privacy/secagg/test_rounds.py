"""Whole rounds: the exact sum, drop-outs in every phase, clean aborts, pipelining, restarts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.errors import ProtocolError, RoundAbortedError
from privacy.secagg.server import SecAggServer


@pytest.mark.parametrize("bits", [32, 64])
def test_the_sum_of_everybody_is_exact(federation, bits):
    devices = federation(6)
    result = devices.run(field_bits=bits, vector_length=70_001)
    assert result.sum.dtype == np.int64
    np.testing.assert_array_equal(result.sum, devices.total)
    assert result.survivors == devices.names
    assert (result.dropped, result.silent, result.excluded) == ({}, (), {})
    assert result.masks_expanded == 6


@pytest.mark.parametrize("neighbours", [11, 10])
def test_drop_outs_in_every_phase(federation, neighbours):
    devices = federation(12, restart=True)
    a, b, c = devices.names[0], devices.names[5], devices.names[11]
    result = devices.run([a], [b], [c], neighbours=neighbours, min_survivors=8)
    np.testing.assert_array_equal(result.sum, devices.total)
    assert result.dropped == {a: "set-up", b: "upload"}
    assert result.silent == (c,)
    assert c in result.survivors
    assert result.masks_expanded <= 10 + neighbours


def test_a_third_of_the_neighbourhood_may_drop_out(federation):
    devices = federation(14)  # 13 neighbours, threshold 9
    result = devices.run(upload_lost=devices.names[:2], unmask_lost=devices.names[5:7], min_survivors=8)
    np.testing.assert_array_equal(result.sum, devices.total)


def test_too_few_survivors_abort_and_the_next_round_works(federation):
    devices = federation(9)
    devices.begin(min_survivors=8)
    devices.set_up()
    devices.upload(devices.names[:2])
    with pytest.raises(RoundAbortedError, match="7 of 9 members uploaded, 8 are needed"):
        devices.round.unmask_requests()
    with pytest.raises(ProtocolError, match="late or early"):
        devices.round.result()
    result = devices.run(round=2)
    np.testing.assert_array_equal(result.sum, devices.total)


def test_too_few_set_ups_abort(federation):
    devices = federation(6)
    devices.begin(min_survivors=5)
    devices.set_up(devices.names[:2])
    with pytest.raises(RoundAbortedError, match="4 of 6 members completed set-up, 5 are needed"):
        devices.round.upload_requests("00" * 32)


def test_too_few_unmask_replies_abort(federation):
    devices = federation(7)
    devices.begin(min_survivors=5)
    devices.set_up()
    devices.upload()
    with pytest.raises(RoundAbortedError, match="no vector was opened"):
        devices.unmask(devices.names[:3])


def test_a_neighbourhood_that_lost_too_many_aborts_before_anybody_uploads(federation):
    devices = federation(40)
    devices.begin(neighbours=16, min_survivors=20)
    lost = [devices.names[near] for near in devices.round.graph.neighbours(3)[::3]]
    assert len(lost) == 6, "one more than a threshold of 11 stands"
    devices.set_up(lost)
    with pytest.raises(RoundAbortedError, match="completed set-up, 11 are needed to open it"):
        devices.round.upload_requests("00" * 32)


def test_set_up_of_the_next_round_overlaps_unmasking_of_this_one(federation):
    devices = federation(8, restart=True)
    devices.begin()
    devices.set_up()
    devices.upload()
    now, total = devices.round, devices.total
    following = devices.begin(round=2)
    devices.set_up()
    devices.round = now
    result = devices.unmask()
    np.testing.assert_array_equal(result.sum, total)
    devices.round = following
    devices.upload(model="cd" * 32)
    np.testing.assert_array_equal(devices.unmask().sum, devices.total)
    assert not np.array_equal(total, devices.total)


def test_a_member_whose_set_up_was_lost_enrols_anew(federation):
    devices = federation(6)
    lost = devices.names[2]
    devices.run([lost], min_survivors=4)
    assert lost not in devices.server.ready
    with pytest.raises(ProtocolError, match="no unused prekeys"):
        devices.begin(round=2)
    devices.enrol([lost])
    np.testing.assert_array_equal(devices.run(round=2).sum, devices.total)


def test_a_server_is_restored_from_a_checkpoint(federation):
    devices = federation(5)
    devices.run()
    state = devices.server.to_bytes()
    devices.server = SecAggServer.from_bytes(state, devices.server_source)
    assert devices.server.to_bytes() == state
    with pytest.raises(ProtocolError, match="rounds must ascend"):
        devices.begin(round=1)
    np.testing.assert_array_equal(devices.run(round=2).sum, devices.total)


def test_raw_bytes_are_a_vector_too(federation):
    devices = federation(5)
    devices.begin()
    devices.set_up()
    total = np.zeros(40, np.int64)
    for name, request in devices.round.upload_requests("00" * 32).items():
        vector = devices.vector(name)
        total += vector
        header, masked = devices.clients[name].upload(request, vector, out=vector.view(np.uint32))
        assert masked.base is vector
        devices.round.receive_upload(header, masked.tobytes())
    np.testing.assert_array_equal(devices.unmask().sum, total)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_cohorts_give_the_exact_sum_or_a_clean_abort(federation, data):
    size = data.draw(st.integers(3, 14), "size")
    devices = federation(size, seed=data.draw(st.integers(0, 1 << 30), "seed"))
    degrees = [k for k in range(2, size) if k == size - 1 or k * size % 2 == 0]
    neighbours = data.draw(st.sampled_from(degrees), "neighbours")
    phases = data.draw(
        st.lists(
            st.sampled_from(["", "", "", "", "", "setup", "upload", "unmask"]), min_size=size, max_size=size
        ),
        "phases",
    )
    lost = {
        phase: [name for name, drop in zip(devices.names, phases, strict=True) if drop == phase]
        for phase in ("setup", "upload", "unmask")
    }
    try:
        result = devices.run(
            lost["setup"],
            lost["upload"],
            lost["unmask"],
            neighbours=neighbours,
            vector_length=data.draw(st.integers(1, 9), "length"),
            field_bits=data.draw(st.sampled_from([32, 64]), "bits"),
            min_survivors=max(1, size // 2),
            scale=256,
            clipping_norm=1.0,
        )
    except RoundAbortedError:
        assert any(phases), "a round without drop-outs never aborts"
        assert len(devices.round._total) == 0
        return
    np.testing.assert_array_equal(result.sum, devices.total)
    assert set(result.survivors) | set(result.dropped) == set(devices.names)
    assert set(lost["upload"]) <= set(result.dropped)
