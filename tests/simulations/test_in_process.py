"""The in-process grid runs unmodified Flower apps, keeps clients apart, and fails as its plan says."""

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from simulations.in_process import InProcessGrid, run_in_process


def counting_app() -> ClientApp:
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        record = context.state.get("count", ConfigRecord({"n": 0}))
        context.state["count"] = ConfigRecord({"n": record["n"] + 1})
        weights = message.content["arrays"].to_numpy_ndarrays()[0] + float(
            context.node_config["partition-id"]
        )
        message.content["arrays"] = ArrayRecord()  # must not be seen by the next client
        content = RecordDict(
            {"arrays": ArrayRecord([weights]), "metrics": MetricRecord({"num-examples": 1})},
        )
        return Message(content, reply_to=message)

    @app.query("count")
    def count(message: Message, context: Context) -> Message:
        return Message(RecordDict({"count": context.state["count"]}), reply_to=message)

    return app


def test_flower_s_own_strategy_runs_unmodified() -> None:
    results = []
    server = ServerApp()

    @server.main()
    def main(grid: Grid, _: Context) -> None:
        strategy = FedAvg(min_train_nodes=4, min_available_nodes=4, fraction_evaluate=0.0)
        results.append(
            strategy.start(grid=grid, initial_arrays=ArrayRecord([np.zeros(3)]), num_rounds=2, timeout=10)
        )

    run_in_process(server, counting_app(), 4, run_config={})
    np.testing.assert_allclose(results[0].arrays.to_numpy_ndarrays()[0], np.full(3, 3.0))


def message(node: int, kind: str = "train") -> Message:
    return Message(RecordDict({"arrays": ArrayRecord([np.zeros(2)])}), node, kind)


def test_each_client_has_its_own_state_and_messages() -> None:
    grid = InProcessGrid(counting_app(), 3, run_config={})
    nodes = grid.get_node_ids()
    shared = RecordDict({"arrays": ArrayRecord([np.zeros(2)])})
    replies = grid.send_and_receive(
        [Message(shared, node, "train") for node in [nodes[0], nodes[0], nodes[1]]]
    )
    assert [reply.content["arrays"].to_numpy_ndarrays()[0][0] for reply in replies] == [0.0, 0.0, 1.0]
    counts = grid.send_and_receive([message(node, "query.count") for node in nodes[:2]])
    assert [reply.content["count"]["n"] for reply in counts] == [2, 1]
    assert [reply.metadata.src_node_id for reply in counts] == nodes[:2]


@pytest.mark.parametrize(
    ("failure", "answers", "work"), [("lost", 0, 0), ("reply_lost", 0, 1), ("crash", 1, 0)]
)
def test_faults_happen_as_planned(failure: str, answers: int, work: int) -> None:
    grid = InProcessGrid(
        counting_app(),
        2,
        run_config={},
        faults=lambda kind, times, partition: (
            failure if (kind, times, partition) == ("train", 1, 0) else None  # type: ignore[return-value]
        ),
    )
    node = grid.get_node_ids()[0]
    grid.send_and_receive([message(node)])
    replies = grid.send_and_receive([message(node)])
    assert len(replies) == answers
    assert all(reply.has_error() for reply in replies)
    (count,) = grid.send_and_receive([message(node, "query.count")])
    assert count.content["count"]["n"] == 1 + work


def test_a_client_app_that_raises_becomes_an_error_reply() -> None:
    grid = InProcessGrid(ClientApp(), 1, run_config={})
    (reply,) = grid.send_and_receive([message(grid.get_node_ids()[0])])
    assert reply.has_error()


def test_the_deadline_ends_a_phase() -> None:
    grid = InProcessGrid(counting_app(), 3, run_config={})
    assert grid.send_and_receive([message(node) for node in grid.get_node_ids()], timeout=0.0) == []
