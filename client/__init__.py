"""The device in federated training: the Flower ClientApp, local training, and what may leave."""
