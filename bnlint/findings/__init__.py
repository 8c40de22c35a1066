"""What becomes of findings after the rules: suppressed, ordered, known already, changed or not."""
