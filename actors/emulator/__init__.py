"""A Gemini Live service of one's own, on loopback: the protocol whole, with ears and a voice. Needs no key."""
