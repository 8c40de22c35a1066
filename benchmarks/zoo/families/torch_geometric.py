def torch_geometric_entries(): yield from ()
