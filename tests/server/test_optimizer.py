"""Server optimizers against the formulas, written out slowly."""

import numpy as np

from configs.schema import Training
from server.optimizer import server_optimizer

UPDATES = [np.array(values, np.float32) for values in ([1, -2, 0.5], [0.5, 1, -1], [-3, 0.1, 2])]


def run(training: Training) -> np.ndarray:
    optimizer = server_optimizer(training, 3)
    weights = np.zeros(3, np.float32)
    for update in UPDATES:
        weights = optimizer.step(weights, update)
    return weights


def test_sgd_is_plain_averaging() -> None:
    training = Training(server_optimizer="sgd", server_learning_rate=0.5)
    np.testing.assert_allclose(run(training), 0.5 * sum(UPDATES), rtol=1e-6)


def test_momentum() -> None:
    velocity, expected = np.zeros(3), np.zeros(3)
    for update in UPDATES:
        velocity = 0.9 * velocity + update
        expected += velocity
    np.testing.assert_allclose(run(Training(server_optimizer="momentum")), expected, rtol=1e-6)


def test_adam_is_bias_corrected() -> None:
    first, second, expected = np.zeros(3), np.zeros(3), np.zeros(3)
    for step, update in enumerate(UPDATES, start=1):
        first = 0.9 * first + 0.1 * update
        second = 0.99 * second + 0.01 * update.astype(float) ** 2
        expected += 0.1 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
    training = Training(server_optimizer="adam", server_learning_rate=0.1)
    np.testing.assert_allclose(run(training), expected, rtol=1e-4)
