"""What every layer and function is, and what it says about itself."""
