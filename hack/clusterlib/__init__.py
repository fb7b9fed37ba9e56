"""A real Kubernetes cluster on one Linux machine, with or without Docker.

`cli` reads the command line and picks a provider: `native` (upstream programs
built from source, run in namespaces of their own) or `kind`. Standard library
only: it has to run before anything is installed.
"""
