"""What the files of a run import in common, imported once: in a process that is forked for each."""
