"""Every model of well-known libraries, traced and linted: what bnlint sees of them and says."""
