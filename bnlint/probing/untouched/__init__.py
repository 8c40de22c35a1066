"""Leaving the model, its inputs and the generators as they were."""
