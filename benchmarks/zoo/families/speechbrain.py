def speechbrain_entries(): yield from ()
