"""Faults put into good models that are alive, and how many of them bnlint finds at their layer."""
