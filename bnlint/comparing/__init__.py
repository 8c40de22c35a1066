"""What a change did to a model: checkpoint, function, graph and cost of two versions compared."""
