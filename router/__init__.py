"""The gateway and database router: owns no data."""
