"""The router's own RPCs."""
