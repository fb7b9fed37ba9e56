"""The only room that knows HTTP: application, routes, middleware, server."""
