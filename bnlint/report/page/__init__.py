"""The parts of the HTML page; what it looks like and does lies beside, as HTML, CSS and scripts."""
