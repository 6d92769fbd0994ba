"""One machine: three PostgreSQL servers, four processes, and a day of transfers."""
