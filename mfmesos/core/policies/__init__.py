"""What the core decides by: small objects, one file each, chosen by name; see registry."""
