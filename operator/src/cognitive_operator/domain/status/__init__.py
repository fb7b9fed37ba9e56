"""From plan and observation to the status that people read."""
