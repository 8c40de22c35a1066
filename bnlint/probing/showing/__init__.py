"""Measurements as text, data and pictures."""
