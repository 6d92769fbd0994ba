"""Programs that a reader can run and copy: they know the contract, and nothing else of ours."""
