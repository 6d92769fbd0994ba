"""The center silo: decides who is registered, and what is switched on."""
