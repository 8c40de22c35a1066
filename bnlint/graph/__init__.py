"""Questions a rule may ask of a traced model: neighbors, reachability, facts."""
