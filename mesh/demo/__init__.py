"""A day of transfers, played through the router by people who do not know one another."""
