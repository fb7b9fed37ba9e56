"""Turn text into unit vectors."""
