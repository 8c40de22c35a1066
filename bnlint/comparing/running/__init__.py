"""The part of a comparison that runs models; imports torch."""
