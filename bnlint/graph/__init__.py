"""Questions a rule may ask of a traced model: neighbours, reachability, facts."""
