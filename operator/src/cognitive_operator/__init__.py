"""The operator: turns a CognitiveEngine into running, guarded pods and keeps them so."""
