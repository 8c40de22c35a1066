"""What the project's text says about how a model is called; nothing of it is run or imported."""
