"""The EMS silo: decides which unit goes, and what physically happens."""
