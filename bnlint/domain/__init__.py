"""Frozen data that every room of bnlint shares; imports only the standard library."""
