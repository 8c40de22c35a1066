"""How a forward uses its inputs, noticed while it runs on inputs of which nothing is known."""
