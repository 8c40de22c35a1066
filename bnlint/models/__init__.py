"""A module becomes models: what it offers, how each is built, and with which inputs."""
