"""Model files of public repositories, checked as a user would: how far each main model is seen."""
