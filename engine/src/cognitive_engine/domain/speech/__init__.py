"""What is said: how it is judged, and the governors that may change it."""
