"""Other silos' events, one file per noun followed, into this silo's copies."""
