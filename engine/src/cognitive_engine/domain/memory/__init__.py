"""What is remembered: three fading levels, and the bank that is searched."""
