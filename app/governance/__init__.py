"""The foundation's rules as synced from governance/, and the pages that show them."""
