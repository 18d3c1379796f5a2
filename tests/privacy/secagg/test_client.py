"""What a client refuses, and that a refusal changes nothing and says why."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mien.errors import BudgetExceededError, PolicyError, ProtocolError
from privacy.randomness import TestOnlySource
from privacy.secagg import messages
from privacy.secagg.client import SecAggClient
from privacy.secagg.client_state import FORGOTTEN, ClientState
from privacy.secagg.codec import Subset
from privacy.secagg.identity import Directory, Identity, sign_directory
from privacy.secagg.policy import SecAggPolicy
from privacy.secagg.server import SecAggServer


class Bench:
    """A federation stopped before one phase, and a server that signs whatever the test wants."""

    def __init__(self, devices, phase: str) -> None:
        self.devices = devices
        self.name = devices.names[0]
        self.client = devices.clients[self.name]
        current = devices.begin(min_survivors=4)
        self.request = current.setup_requests()[self.name]
        self.kind: type[messages.Message] = messages.SetupRequest
        if phase == "setup":
            return
        devices.set_up()
        self.uploads = current.upload_requests("00" * 32)
        self.request, self.kind = self.uploads[self.name], messages.UploadRequest
        if phase == "upload":
            return
        for name, request in self.uploads.items():
            current.receive_upload(*devices.clients[name].upload(request, devices.vector(name)))
        self.request, self.kind = current.unmask_requests()[self.name], messages.UnmaskRequest

    @property
    def message(self):
        return messages.decode(self.request, self.kind).message

    def forged(self, **changes) -> bytes:
        message = dataclasses.replace(self.message, **changes)
        return messages.encode(message, self.devices.server.identity)

    def call(self, request: bytes):
        if self.kind is messages.SetupRequest:
            return self.client.setup(request)
        if self.kind is messages.UploadRequest:
            return self.client.upload(request, self.devices.vector(self.name))
        return self.client.unmask(request)

    def refuses(self, request: bytes, reason: str, error: type[Exception] = ProtocolError) -> None:
        before = self.client.to_bytes()
        with pytest.raises(error, match=reason):
            self.call(request)
        assert self.client.to_bytes() == before, "a refusal changes nothing"

    def works(self) -> None:
        assert self.call(self.request)


@pytest.fixture
def bench(federation):
    return lambda phase, size=6: Bench(federation(size), phase)


@pytest.mark.parametrize("phase", ["setup", "upload", "unmask"])
def test_requests_of_others_and_for_others_are_refused(bench, phase, signer):
    at = bench(phase)
    at.refuses(messages.encode(at.message, signer), "does not verify")
    at.refuses(at.forged(recipient="device-0001"), "expected from 'coordinator' to 'device-0000'")
    at.refuses(at.forged(sender="device-0001"), "expected from 'coordinator'")
    at.refuses(at.request[:-1], "cut short")
    other = bytes([at.request[-1] ^ 1])
    at.refuses(at.request[:-1] + other, "does not verify")
    at.works()


@pytest.mark.parametrize("phase", ["upload", "unmask"])
@pytest.mark.parametrize("change", [{"run": "other"}, {"round": 2}, {"session": bytes(32)}])
def test_messages_of_another_run_round_or_session_are_refused(bench, phase, change):
    at = bench(phase)
    at.refuses(at.forged(**change), "is no session of this client")
    at.works()


# -- set-up -------------------------------------------------------------------------------------------------


def test_a_plan_below_the_policy_is_refused_before_anything(federation):
    devices = federation(6, SecAggPolicy(min_cohort=7, min_neighbours=2, security_bits=0))
    at = Bench(devices, "setup")
    at.refuses(at.request, "cohort of 6, at least 7 wanted", PolicyError)


def test_a_plan_that_could_overflow_is_refused(bench):
    at = bench("setup")
    plan = at.devices.plan
    greedy = plan.model_copy(update={"update": plan.update.model_copy(update={"scale": 1 << 31})})
    session = _session(at, greedy)
    at.refuses(at.forged(plan=greedy.to_bytes(), session=session), "one element must hold", PolicyError)


def _session(at, plan, roster=None, run_key=None):
    from privacy.secagg.keys import session_id

    message = at.message
    return session_id(plan.hash, roster or message.roster, message.server_key, run_key or message.run_key)


def test_a_session_that_does_not_follow_from_its_content_is_refused(bench):
    at = bench("setup")
    at.refuses(at.forged(session=bytes(32)), "does not follow from its plan, roster and keys")
    at.refuses(at.forged(run_key=b"\x09" + bytes(31)), "does not follow")
    at.refuses(at.forged(server_key=bytes(32)), "does not follow")
    at.works()


def test_a_plan_of_another_round_or_with_a_model_is_refused(bench):
    at = bench("setup")
    at.refuses(at.forged(round=5), "of another run or round")
    with_model = at.devices.plan.model_copy(update={"model_hash": "00" * 32})
    at.refuses(at.forged(plan=with_model.to_bytes()), "already names a model")
    at.refuses(at.forged(plan=b"{}"), "round plan")
    at.works()


def test_replayed_rosters_and_foreign_cohorts_are_refused(bench):
    at = bench("setup")
    roster = list(at.message.roster)
    stale = (bytes(32), *roster[1:])
    plan = at.devices.plan
    at.refuses(
        at.forged(roster=stale, session=_session(at, plan, stale)),
        "does not hold this client's unused prekeys",
    )
    doubled = (*roster[:-1], roster[1])
    at.refuses(at.forged(roster=doubled, session=_session(at, plan, doubled)), "one bundle for each member")
    longer = (*roster, bytes(32))
    at.refuses(at.forged(roster=longer, session=_session(at, plan, longer)), "one bundle for each member")
    elsewhere = plan.model_copy(update={"cohort": tuple(f"x{n}" for n in range(6))})
    at.refuses(at.forged(plan=elsewhere.to_bytes(), session=_session(at, elsewhere)), "is not in the cohort")
    at.works()


def test_bundles_must_be_the_neighbours_own(bench):
    at = bench("setup")
    bundles = at.message.bundles
    at.refuses(at.forged(bundles=bundles[:-1]), "not those of this client's neighbours")
    at.refuses(at.forged(bundles=bundles[::-1]), "not those of this client's neighbours")
    swapped = dataclasses.replace(bundles[0], channel_key=bundles[1].channel_key)
    at.refuses(at.forged(bundles=(swapped, *bundles[1:])), "is not the one in the roster")
    roster = (at.message.roster[0], swapped.hash, *at.message.roster[2:])
    session = _session(at, at.devices.plan, roster)
    at.refuses(at.forged(bundles=(swapped, *bundles[1:]), roster=roster, session=session), "does not verify")
    at.works()


def test_a_name_under_another_identity_is_refused_once_it_was_seen(federation):
    devices = federation(6)
    devices.run()
    impostor = Identity.generate(TestOnlySource(5))
    victim, mallory = devices.names[0], devices.names[3]
    devices.server._directory = Directory(
        members=tuple(
            dataclasses.replace(member, identity_key=impostor.public_key)
            if member.name == mallory
            else member
            for member in devices.server._directory.members
        )
    )
    fake = SecAggClient.create(mallory, impostor, None, devices.policy, TestOnlySource(6))
    for _ in range(3):
        enrolment = fake.enrol("run")
    devices.server.enrol(enrolment)
    request = devices.begin(round=2).setup_requests()[victim]
    with pytest.raises(ProtocolError, match="the server may be swapping keys"):
        devices.clients[victim].setup(request)
    newcomer = SecAggClient.create(
        "device-0000", Identity.generate(TestOnlySource(8)), None, devices.policy, TestOnlySource(7)
    )
    with pytest.raises(ProtocolError, match="unused prekeys"):
        newcomer.setup(request)


def test_unknown_members_are_refused_under_a_provisioned_directory(federation):
    devices = federation(6)
    operator = Identity.generate(TestOnlySource(3))
    admitted = {name: devices.identities[name].public_key for name in devices.names[:5]}
    directory = Directory.provisioned(sign_directory(admitted, operator), operator.public_key)
    name = devices.names[0]
    devices.clients[name] = devices.new_client(name)
    devices.clients[name].provision(directory)
    devices.clients[name].enrol("run")
    devices.enrol([name])
    request = devices.begin().setup_requests()[name]
    with pytest.raises(ProtocolError, match=r"'device-0005' .* is not in the provisioned directory"):
        devices.clients[name].setup(request)
    devices.enrol(devices.names)
    assert devices.clients[name].setup(
        devices.begin(cohort=devices.names[:5], round=2).setup_requests()[name]
    )


def test_too_many_new_members_are_refused_by_policy(federation):
    devices = federation(6)
    devices.run(cohort=devices.names[:5])
    name = devices.names[0]
    strict = devices.policy.model_copy(update={"max_new_members": 0.1})
    state = ClientState.from_bytes(devices.clients[name].to_bytes())
    state = dataclasses.replace(state, policy=strict.model_dump_json().encode())
    client = SecAggClient.from_bytes(state.to_bytes(), TestOnlySource(1))
    with pytest.raises(PolicyError, match="1 of 5 neighbours are unknown"):
        client.setup(devices.begin(round=2).setup_requests()[name])


def test_a_set_up_is_answered_once_and_its_repetition_alike(bench):
    at = bench("setup")
    reply = at.client.setup(at.request)
    assert at.client.setup(at.request) == reply
    at.refuses(at.forged(bundles=at.message.bundles[::-1]), "is not after round 1; it is a replay")


def test_rounds_of_a_run_ascend(federation):
    devices = federation(5)
    devices.run(round=7)
    assert SecAggClient.from_bytes(devices.clients[devices.names[0]].to_bytes(), TestOnlySource(1))
    devices.server._progress.clear()
    with pytest.raises(ProtocolError, match="round 6 of run 'run' is not after round 7"):
        devices.run(round=6)


def test_an_old_request_is_refused_for_ever(federation):
    devices = federation(5)
    first = devices.begin()
    requests = first.setup_requests()
    devices.set_up()
    devices.upload()
    devices.unmask()
    name = devices.names[0]
    with pytest.raises(ProtocolError, match="replay"):
        devices.clients[name].setup(requests[name])
    state = ClientState.from_bytes(devices.clients[name].to_bytes())
    forgetful = dataclasses.replace(state, sessions=(), progress=())
    client = SecAggClient.from_bytes(forgetful.to_bytes(), TestOnlySource(1))
    with pytest.raises(ProtocolError, match="does not hold this client's unused prekeys"):
        client.setup(requests[name])


# -- upload -------------------------------------------------------------------------------------------------


def test_the_plan_of_an_upload_is_the_one_that_was_set_up_for(bench):
    at = bench("upload")
    plan = at.devices.round.plan
    assert at.client.plan_of(at.request) == plan
    for changed in (
        plan.model_copy(update={"purpose": "another"}),
        plan.model_copy(update={"secagg": plan.secagg.model_copy(update={"threshold": 5})}),
        plan.session,
    ):
        at.refuses(at.forged(plan=changed.to_bytes()), "changed after keys were sent")
    at.works()


def test_a_client_uploads_once(bench):
    at = bench("upload")
    at.call(at.request)
    at.refuses(at.request, "uploaded already")
    other = at.devices.round.plan.model_copy(update={"model_hash": "11" * 32})
    at.refuses(at.forged(plan=other.to_bytes()), "uploaded already")
    with pytest.raises(ProtocolError, match="uploaded already"):
        at.client.plan_of(at.request)


def test_the_completed_set_is_checked(bench):
    at = bench("upload")
    at.refuses(at.forged(completed=Subset(7, tuple(range(6)))), "of a cohort of 7, not 6")
    at.refuses(
        at.forged(completed=Subset(6, (1, 2, 3, 4, 5))), "this client, 'device-0000', is not among them"
    )
    at.refuses(at.forged(completed=Subset(6, (0, 1, 2))), "3 members completed set-up, at least 4 are needed")
    at.refuses(
        at.forged(completed=Subset(6, (0, 1, 2, 3))), "3 neighbours completed set-up, the threshold is 4"
    )
    at.refuses(at.forged(deals=at.message.deals[:-1]), "the number of deals")
    at.works()


def test_the_vector_is_checked(bench):
    at = bench("upload")
    good = at.devices.vector(at.name)
    before = at.client.to_bytes()
    for bad in (
        good[:-1],
        good.astype(np.int64),
        good[None],
        np.zeros(80, np.int32)[::2],
        good.view(np.uint32),
    ):
        with pytest.raises(ProtocolError, match="vector must be contiguous int32 of shape"):
            at.client.upload(at.request, bad)
    with pytest.raises(ProtocolError, match="out must be contiguous uint32"):
        at.client.upload(at.request, good, out=np.zeros(40, np.int32))
    sealed = np.zeros(40, np.uint32)
    sealed.flags.writeable = False
    with pytest.raises(ProtocolError, match="out is read-only"):
        at.client.upload(at.request, good, out=sealed)
    with pytest.raises(ProtocolError, match="the sum could wrap around"):
        at.client.upload(at.request, np.full(40, 1 << 30, np.int32))
    assert at.client.to_bytes() == before
    at.works()


def test_two_uploads_of_one_vector_share_no_mask(federation):
    devices = federation(5)
    seen = []
    for number in (1, 2):
        devices.begin(round=number, vector_length=1000)
        devices.set_up()
        for name, request in devices.round.upload_requests("00" * 32).items():
            _, masked = devices.clients[name].upload(request, np.zeros(1000, np.int32))
            seen.append(masked)
    everything = np.concatenate(seen)
    assert len(np.unique(everything.reshape(-1, 2), axis=0)) == len(everything) // 2
    for left in range(len(seen)):
        for right in range(left):
            assert not np.array_equal(seen[left], seen[right])


def test_what_made_the_masks_is_forgotten_with_the_upload(bench):
    at = bench("upload")
    before = ClientState.from_bytes(at.client.to_bytes()).sessions[0]
    at.works()
    state = at.client.to_bytes()
    after = ClientState.from_bytes(state).sessions[0]
    secrets = [before.self_seed, before.upload_key, *(peer.mask_key for peer in before.peers)]
    assert all(secret != FORGOTTEN for secret in secrets)
    assert not any(secret in state for secret in secrets)
    assert {peer.mask_key for peer in after.peers} == {FORGOTTEN}


# -- unmask -------------------------------------------------------------------------------------------------


def test_an_unmasking_is_answered_once_and_its_repetition_alike(bench):
    at = bench("unmask")
    reply = at.client.unmask(at.request)
    assert at.client.unmask(at.request) == reply
    fewer = at.forged(survivors=Subset(6, (0, 1, 2, 3, 4)), confirmations=at.message.confirmations[:-1])
    at.refuses(fewer, "a second, different unmask request")
    assert at.client.unmask(at.request) == reply
    session = ClientState.from_bytes(at.client.to_bytes()).sessions[0]
    assert session.peers == ()


def test_the_survivors_are_checked(bench):
    at = bench("unmask")
    confirmations = at.message.confirmations
    at.refuses(at.forged(plan_hash=bytes(32)), "for another plan")
    at.refuses(at.forged(survivors=Subset(6, (1, 2, 3, 4, 5))), "is not among them")
    at.refuses(at.forged(survivors=Subset(6, (0, 1, 2))), "3 members survived, at least 4")
    at.refuses(at.forged(survivors=Subset(6, (0, 1, 2, 3))), "3 neighbours survived, the threshold is 4")
    at.refuses(at.forged(confirmations=confirmations[:-1]), "5 confirmations expected, got 4")
    at.refuses(at.forged(confirmations=confirmations[::-1]), "does not verify")
    at.works()


def test_survivors_that_never_completed_are_refused(federation):
    devices = federation(8)
    current = devices.begin(min_survivors=4)
    devices.set_up([devices.names[7]])
    devices.upload()
    name = devices.names[0]
    message = messages.decode(current.unmask_requests()[name], messages.UnmaskRequest).message
    forged = dataclasses.replace(
        message, survivors=Subset(8, tuple(range(8))), confirmations=(*message.confirmations, bytes(64))
    )
    with pytest.raises(ProtocolError, match="did not complete set-up: device-0007"):
        devices.clients[name].unmask(messages.encode(forged, devices.server.identity))


def test_no_unmasking_before_the_upload(federation):
    devices = federation(6)
    current = devices.begin(min_survivors=4)
    devices.set_up()
    devices.upload([devices.names[0]])
    message = messages.decode(current.unmask_requests()[devices.names[1]], messages.UnmaskRequest).message
    forged = dataclasses.replace(message, recipient=devices.names[0])
    with pytest.raises(ProtocolError, match="before this client uploaded"):
        devices.clients[devices.names[0]].unmask(messages.encode(forged, devices.server.identity))


def test_shares_are_of_one_kind_each(federation):
    """A reply that was opened holds, for every neighbour, one share: of the kind that its fate asks for."""
    from privacy.secagg.dealing import Kind
    from privacy.secagg.recovery import Recovery

    devices = federation(7)
    current = devices.begin(min_survivors=5)
    devices.set_up()
    devices.upload([devices.names[6]])
    for name, request in current.unmask_requests().items():
        current.receive_unmask(devices.clients[name].unmask(request))
    opened = Recovery(
        current.plan,
        current._session,
        current.graph,
        current._bundles,
        current._setups,
        current._completed,
        current._survivors,
        current._replies,
    )._open_replies()
    assert len(opened) == 6
    for entries in opened.values():
        assert {position: kind for position, (kind, _) in entries.items()} == {
            position: Kind.MASK if position == 6 else Kind.SELF for position in entries
        }


# -- state and refusals -------------------------------------------------------------------------------------


def test_the_first_server_is_pinned_and_no_other_is_heard(federation):
    devices = federation(5)
    name = devices.names[0]
    client = SecAggClient.create(
        name, devices.identities[name], None, devices.policy, TestOnlySource(9, "new")
    )
    for _ in range(2):
        enrolment = client.enrol("run")
    devices.server.enrol(enrolment)
    assert client.server_key is None
    client.setup(devices.begin().setup_requests()[name])
    assert client.server_key == devices.server.identity.public_key
    other = SecAggServer.create(Identity.generate(TestOnlySource(4)), TestOnlySource(4))
    other.enrol(client.enrol("run"))
    for one in devices.names[1:]:
        other.enrol(devices.clients[one].enrol("run"))
    devices.server = other
    with pytest.raises(ProtocolError, match="does not verify"):
        client.setup(devices.begin(round=2).setup_requests()[name])


def test_before_any_server_is_pinned_only_set_up_is_answered(federation, signer):
    devices = federation(5)
    client = SecAggClient.create("new", signer, None, devices.policy, TestOnlySource(1))
    with pytest.raises(ProtocolError, match="no server is pinned yet"):
        client.unmask(b"anything")


def test_refusals_say_why_and_are_signed(bench):
    at = bench("setup")
    for error, code in (
        (PolicyError("too few"), 43),
        (ProtocolError("x"), 44),
        (BudgetExceededError("y"), 41),
    ):
        refusal = at.devices.round.receive_refusal(at.client.refuse(at.request, error))
        assert (refusal.code, refusal.text, refusal.round) == (code, str(error), 1)
    assert at.devices.round.refusals[at.name].text == "y"
    unreadable = at.devices.round.receive_refusal(at.client.refuse(b"garbage", ProtocolError("é" * 4000)))
    assert unreadable.text == "é" * 1000
    forged = messages.encode(
        messages.decode(at.client.refuse(at.request, PolicyError("z")), messages.Refusal).message,
        at.devices.server.identity,
    )
    with pytest.raises(ProtocolError, match="does not verify"):
        at.devices.round.receive_refusal(forged)


@pytest.mark.parametrize("damage", ["cut", "longer", "version", "policy", "empty"])
def test_a_damaged_state_is_refused(bench, damage):
    at = bench("unmask")
    state = at.client.to_bytes()
    decoded = ClientState.from_bytes(state)
    broken = {
        "cut": state[:-1],
        "longer": state + b"\0",
        "version": dataclasses.replace(decoded, version=9).to_bytes(),
        "policy": dataclasses.replace(decoded, policy=b"{}x").to_bytes(),
        "empty": b"",
    }[damage]
    with pytest.raises(ProtocolError):
        SecAggClient.from_bytes(broken, TestOnlySource(1))


def test_names_and_keys_are_checked_when_a_client_is_made(signer):
    policy, source = SecAggPolicy(), TestOnlySource(1)
    with pytest.raises(ProtocolError, match="reserved for the server"):
        SecAggClient.create("coordinator", signer, None, policy, source)
    with pytest.raises(ProtocolError, match="is not a name"):
        SecAggClient.create("a b", signer, None, policy, source)
    with pytest.raises(ProtocolError, match="server key: expected 32 bytes"):
        SecAggClient.create("a", signer, b"short", policy, source)


def test_only_two_sessions_are_kept(federation):
    devices = federation(5)
    for number in (1, 2, 3):
        devices.begin(round=number)
        devices.set_up()
    state = ClientState.from_bytes(devices.clients[devices.names[0]].to_bytes())
    assert [session.round for session in state.sessions] == [2, 3]
