"""The only room that imports kopf: events in, reconcile passes out."""
