"""From a live model to plain data: importing, discovery, tracing, classification (needs torch)."""
