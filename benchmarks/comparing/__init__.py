"""How right the answers of ``bnlint compare`` are: pairs of models with known answers."""
