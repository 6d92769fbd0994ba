"""The history of the hospital database: additive before a deploy, destructive in a later one."""
