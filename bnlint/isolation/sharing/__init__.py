"""Imports that several files of a run begin with, done once, in a process forked for each."""
