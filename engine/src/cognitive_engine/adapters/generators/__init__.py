"""Write answers."""
