"""Every message that a user reads, one file per room: docs/messages.md is made from them."""
